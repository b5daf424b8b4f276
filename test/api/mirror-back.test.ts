import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { TarWalker } from '../../server/tar-walker.ts';
import { fakeGit, skipWithoutGit } from '../support/fake-git.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { gitProject } from '../support/git-project.ts';
import { drill, mirror, rewritten } from '../support/mirroring.ts';
import { testApp } from '../support/test-app.ts';
import { makeSdist } from '../support/wheel.ts';

const sdist = makeSdist({ name: 'gamma', version: '1.0' });
const hash = `hash = "sha256:${sdist.sha256}"`;

/** Locks of a project whose archive has an address that does not say what it is, as each tool writes them. */
const locks: Readonly<Record<string, (url: string) => string>> = {
  'poetry.lock': (url) => `[[package]]
name = "gamma"
version = "1.0"
description = ""
optional = false
python-versions = "*"
groups = ["main"]
files = [
    {file = "v1.0.tar.gz", ${hash}},
]

[package.source]
type = "url"
url = "${url}"

[metadata]
lock-version = "2.1"
python-versions = ">=3.11"
content-hash = "0"
`,
  'pdm.lock': (url) => `[metadata]
lock_version = "4.5.0"

[[package]]
name = "gamma"
version = "1.0"
url = "${url}"
files = [
    {file = "v1.0.tar.gz", ${hash}},
]
`,
  'uv.lock': (url) => `version = 1

[[package]]
name = "gamma"
version = "1.0"
source = { url = "${url}" }
sdist = { ${hash} }
`,
  'pylock.toml': (url) => `lock-version = "1.0"

[[packages]]
name = "gamma"
version = "1.0"
archive = { url = "${url}", hashes = { sha256 = "${sdist.sha256}" } }
`,
};

describe('a lock with the address of an archive that is kept under another name comes back as it was', () => {
  for (const [name, lockOf] of Object.entries(locks)) {
    test(name, async (t) => {
      const up = await fakeUpstream(t);
      up.order('/files/v1.0.tar.gz', { status: 200, body: sdist.bytes });
      const app = await testApp(t, { config: { fetch: { allowHosts: [new URL(up.url).host] } } });
      const content = lockOf(`${up.filesUrl}v1.0.tar.gz`);
      const job = await mirror(app, { name, content });
      assert.equal(job.state, 'succeeded', JSON.stringify(job));
      assert.equal(await rewritten(app, job, '?urls=canonical'), content);
      const here = await rewritten(app, job);
      const filename = `gamma-${sdist.sha256.slice(0, 12)}.tar.gz`;
      assert.ok(here.includes(`${app.url}/sources/gamma/${filename}`), here);
      const back = await mirror(app, { name, content: here });
      assert.equal(back.state, 'succeeded', JSON.stringify(back));
      const restored = await rewritten(app, back, '?urls=canonical');
      // pdm's keys may have changed places.
      const lines = (text: string): readonly string[] => text.split('\n').toSorted();
      assert.deepEqual(
        name === 'pdm.lock' ? lines(restored) : restored,
        name === 'pdm.lock' ? lines(content) : content,
      );
    });
  }
});

test('a folder of a repository is at the top of the archive for poetry, which looks into no folders of archives', {
  skip: await skipWithoutGit(),
}, async (t) => {
  const git = await fakeGit(t);
  const files = { ...gitProject('mono', '9.0'), ...gitProject('sub', '1.0', 'packages/sub/') };
  const commit = await git.commit('mono', { ...files, 'packages/sub/README@': '../../backend.py' }, { tag: 'v1' });
  const app = await testApp(t, { config: { fetch: { allowHosts: [git.host] } } });
  const content = `[[package]]
name = "sub"
version = "1.0"
description = ""
optional = false
python-versions = "*"
groups = ["main"]
files = []
develop = false

[package.source]
type = "git"
url = "${git.url('mono')}"
reference = "v1"
resolved_reference = "${commit}"
subdirectory = "packages/sub"

[metadata]
lock-version = "2.1"
python-versions = ">=3.11"
content-hash = "0"
`;
  const other = `sub @ git+${git.url('mono')}@${commit}#subdirectory=packages/sub\n`;
  for (const call of [
    { name: 'poetry.lock', content },
    { name: 'a.txt', content: other },
  ])
    assert.equal((await drill(app, call)).ready, false, 'what is kept for one tool does not do for another');
  const job = await mirror(app, { name: 'poetry.lock', content });
  assert.equal(job.state, 'succeeded', JSON.stringify(job));
  const [file] = job.files;
  assert.deepEqual(file?.notes, [
    'links that lead out of the repository are not in the archive: README',
    "the archive has the folder packages/sub/ alone, since the lock's tool looks into no folders",
  ]);
  const here = await rewritten(app, job);
  assert.match(here, new RegExp(`url = "${app.url}/sources/sub/sub-${commit}-packages\\.sub\\.top\\.tar\\.gz"\n\n`));
  const top = `sub-${commit}-packages.sub.top`;
  const bytes = Buffer.from(await (await app.get(`/sources/sub/${file?.filename}`)).arrayBuffer());
  assert.deepEqual(namesIn(bytes), [`${top}/backend.py`, `${top}/pyproject.toml`]);
  assert.equal(await rewritten(app, job, '?urls=canonical'), content);
  assert.equal((await drill(app, { name: 'poetry.lock', content: here })).ready, true);
  const back = await mirror(app, { name: 'poetry.lock', content: here });
  assert.equal(await rewritten(app, back), here);
  assert.match(await rewritten(app, back, '?urls=canonical'), /^subdirectory = "packages\/sub"$/m);
  assert.equal((await drill(app, { name: 'a.txt', content: other })).ready, false);
  const whole = await mirror(app, { name: 'a.txt', content: other });
  assert.match(
    await rewritten(app, whole),
    new RegExp(`/sub-${commit}\\.tar\\.gz#sha256=\\w+&subdirectory=packages/sub`),
  );
});

function namesIn(archive: Buffer): readonly string[] {
  const names: string[] = [];
  const walker = new TarWalker(({ name }) => {
    names.push(name);
    return () => {};
  });
  walker.write(gunzipSync(archive));
  walker.end();
  return names;
}
