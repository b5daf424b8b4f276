import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { TarWalker } from '../../server/tar-walker.ts';
import { fakeGit, skipWithoutGit } from '../support/fake-git.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { gitProject } from '../support/git-project.ts';
import { drill, mirror, rewritten } from '../support/mirroring.ts';
import { testApp } from '../support/test-app.ts';
import { makeSdist, makeWheel } from '../support/wheel.ts';

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

test('each project goes back to the index that it came from, and what was uploaded here stays here', async (t) => {
  const [a, b] = [await fakeUpstream(t), await fakeUpstream(t)];
  const [alpha, beta, acme] = ['alpha', 'beta', 'acme'].map((name) => makeWheel({ name, version: '1.0' }));
  assert.ok(alpha !== undefined && beta !== undefined && acme !== undefined);
  a.project('alpha').add(alpha);
  b.project('beta').add(beta);
  const upstream = (url: string) => ({ kind: 'upstream', url });
  const app = await testApp(t, {
    config: {
      repositories: { local: { kind: 'hosted' }, a: upstream(a.url), b: upstream(b.url) },
      indexes: { main: { repositories: ['local', 'a', 'b'] } },
    },
  });
  const form = new FormData();
  const fields = { ':action': 'file_upload', protocol_version: '1', name: 'acme', version: '1.0' };
  for (const [key, value] of Object.entries({ ...fields, filetype: 'bdist_wheel', pyversion: 'py3' }))
    form.set(key, value);
  form.set('content', new Blob([new Uint8Array(acme.bytes)]), acme.filename);
  const uploaded = await app.admin('/legacy/', { method: 'POST', body: form });
  assert.equal(uploaded.status, 200, await uploaded.text());
  const indexes = (of: readonly [string, string, string]): Readonly<Record<string, string>> => {
    const files = [alpha, beta, acme].map((file, i) => ({ ...file, index: of[i] ?? '' }));
    const own = (text: (file: (typeof files)[number]) => string): string => files.map(text).join('');
    return {
      'uv.lock': `version = 1\n${own(({ name, sha256, filename, index }) => {
        const at = index.startsWith(app.url) ? `${index}${name}/` : index.replace('/simple/', '/files/');
        return `\n[[package]]\nname = "${name}"\nversion = "1.0"\nsource = { registry = "${index}" }\nwheels = [\n    { url = "${at}${filename}", hash = "sha256:${sha256}" },\n]\n`;
      })}`,
      'poetry.lock': `${own(
        ({ name, sha256, filename, index }) =>
          `[[package]]\nname = "${name}"\nversion = "1.0"\nfiles = [\n    {file = "${filename}", hash = "sha256:${sha256}"},\n]\n\n[package.source]\ntype = "legacy"\nurl = "${index.slice(0, -1)}"\nreference = "x"\n\n`,
      )}[metadata]\nlock-version = "2.1"\n`,
      'pylock.toml': `lock-version = "1.0"\n${own(
        ({ name, sha256, filename, index }) =>
          `\n[[packages]]\nname = "${name}"\nversion = "1.0"\nindex = "${index}"\nwheels = [{ name = "${filename}", hashes = { sha256 = "${sha256}" } }]\n`,
      )}`,
    };
  };
  const here = `${app.url}/simple/`;
  const [ours, theirs] = [indexes([here, here, here]), indexes([a.url, b.url, here])];
  for (const name of ['uv.lock', 'poetry.lock', 'pylock.toml']) {
    const job = await mirror(app, { name, content: ours[name] ?? '' });
    assert.equal(job.state, 'succeeded', JSON.stringify(job));
    assert.equal(await rewritten(app, job, '?urls=canonical'), theirs[name], name);
    assert.equal(await rewritten(app, job), ours[name], name);
  }
});
