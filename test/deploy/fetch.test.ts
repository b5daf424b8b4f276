import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';
import { makeBundle } from '../support/bundle.ts';
import { tempDir } from '../support/temp-dir.ts';
import { testApp } from '../support/test-app.ts';

it('a download made as docs/deploying.md says goes on wherever an earlier one broke off, and is verified', async (t) => {
  const page = await readFile(new URL('../../docs/deploying.md', import.meta.url), 'utf8');
  const lines = /```sh\n(.*?)```/s.exec(page)?.[1] ?? '';
  const app = await testApp(t);
  const { filename, bytes } = makeBundle('myapp', '0.1', { acme: '2.0' });
  const path = `/bundles/myapp/0.1/${filename}?channel=production`;
  assert.equal((await app.admin(path, { method: 'PUT', body: bytes })).status, 201);
  const cwd = await tempDir(t);
  const env = { PATH: process.env.PATH ?? '', URL: app.url, AUTH: `Authorization: Bearer ${app.token}` };
  const fetched = () => promisify(execFile)('sh', ['-c', lines], { cwd, env });
  const part = join(cwd, `${createHash('sha256').update(bytes).digest('hex')}.part`);
  for (const size of [0, bytes.length >> 1, bytes.length]) {
    await writeFile(part, bytes.subarray(0, size));
    await fetched();
    assert.deepEqual(await readFile(join(cwd, filename)), bytes, `after ${size} bytes`);
  }
  // What does not fit is not gone on with again.
  await writeFile(part, Buffer.alloc(bytes.length >> 1));
  await assert.rejects(fetched());
  await assert.rejects(access(part), { code: 'ENOENT' });
});
