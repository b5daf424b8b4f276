import assert from 'node:assert/strict';
import { type FileHandle, open, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { GrowingFile } from '../../../server/bundles/growing-file.ts';
import { tempDir } from '../../support/temp-dir.ts';

const MB = 1024 * 1024;

/** A file of 100 MB that takes no room. */
async function large(t: TestContext): Promise<FileHandle> {
  const path = join(await tempDir(t), 'spool');
  await writeFile(path, '');
  await truncate(path, 100 * MB);
  const file = await open(path, 'r');
  t.after(() => file.close());
  return file;
}

test('a file that grows far faster than it is read is read on when it is complete', async (t) => {
  let late = 0;
  const onLate = () => {
    late += 1;
  };
  const file = new GrowingFile(await large(t), { size: 10 * MB, mayBePutOff: true, onLate });
  const chunks = file.chunks();
  let read = (await chunks.next()).value?.length ?? 0;
  file.grown(12 * MB);
  read += (await chunks.next()).value?.length ?? 0;
  assert.deepEqual([read, late], [MB, 0]);
  file.grown(60 * MB);
  const next = chunks.next();
  assert.equal(late, 1);
  file.grown(80 * MB);
  file.finished(90 * MB);
  read += (await next).value?.length ?? 0;
  for await (const chunk of chunks) read += chunk.length;
  assert.deepEqual([read, late], [90 * MB, 1]);
});

test('it is read as it comes where somebody waits for it, or where reading nearly keeps up', async (t) => {
  const handle = await large(t);
  const onLate = () => assert.fail('late');
  const awaited = new GrowingFile(handle, { size: 90 * MB, mayBePutOff: false, onLate });
  assert.equal((await awaited.chunks().next()).value?.length, MB / 2);
  const close = new GrowingFile(handle, { size: 16 * MB, mayBePutOff: true, onLate });
  const chunks = close.chunks();
  let read = 0;
  for (let size = 16 * MB; size <= 90 * MB; size += MB / 4) {
    close.grown(size);
    read += (await chunks.next()).value?.length ?? 0;
  }
  assert.equal(read, 90 * MB);
});
