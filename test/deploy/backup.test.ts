import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import { multipart, multipartHeaders, partsOf } from '../support/multipart.ts';
import { runCli } from '../support/run-cli.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { type BuiltFile, makeWheel } from '../support/wheel.ts';

it('a backup made as docs/operations.md says holds every byte that its rows name, whatever went on meanwhile', async (t) => {
  const page = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const told = page.slice(page.indexOf('SQLite and disk, while the server runs:'));
  const [makeFolder = '', copyFirst = '', , snapshot = '', copyAgain = ''] = (told.split('```')[1] ?? '')
    .trim()
    .split('\n');
  const statement = /"(VACUUM INTO '[^']*')"/.exec(snapshot)?.[1] ?? '';
  const dir = await tempDir(t);
  const app = await testApp(t, { dataDir: join(dir, 'data') });
  const shell = (command: string) => promisify(execFile)('sh', ['-c', command], { cwd: dir });
  const [old, during, gone, late] = ['1.0', '2.0', '3.0', '4.0'].map((version) => makeWheel({ name: 'demo', version }));
  assert.ok(old && during && gone && late);

  await upload(app, old);
  await shell(makeFolder);
  await shell(copyFirst);
  await upload(app, during);
  await upload(app, gone);
  const database = new Database(join(dir, 'data', 'catalog.sqlite'), { readonly: true });
  database.exec(statement.replace('backup/', `${dir}/backup/`));
  database.close();
  // Deleted, and garbage collected, between the rows and the bytes.
  for (const { filename } of [old, gone]) {
    const path = `/admin/repositories/local/projects/demo/files/${filename}`;
    assert.equal((await app.admin(path, { method: 'DELETE' })).status, 204);
  }
  const env = { STORMCELLAR_URL: app.url, STORMCELLAR_TOKEN: app.token };
  assert.equal((await runCli(['gc'], env)).status, 0);
  await upload(app, late);
  await shell(copyAgain);
  await app.stop();

  const restored = await testApp(t, { dataDir: join(dir, 'backup') });
  const verified = await runCli(['verify'], { STORMCELLAR_URL: restored.url, STORMCELLAR_TOKEN: restored.token });
  assert.equal(verified.status, 0, verified.stderr);
  for (const { filename, bytes } of [old, during, gone]) {
    const file = await restored.get(`/simple/demo/${filename}`);
    assert.deepEqual(Buffer.from(await file.arrayBuffer()), bytes, filename);
  }
  assert.equal((await restored.get(`/simple/demo/${late.filename}`)).status, 404);
});

async function upload(app: TestApp, file: BuiltFile): Promise<void> {
  const body = multipart(partsOf(file));
  const sent = await app.admin('/legacy/', { method: 'POST', headers: multipartHeaders(body), body });
  assert.equal(sent.status, 200);
}
