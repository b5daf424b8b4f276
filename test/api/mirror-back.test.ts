import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { mirror, rewritten } from '../support/mirroring.ts';
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
