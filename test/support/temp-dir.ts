import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** A folder of its own that is removed when the test ends. Inside `describe`, use `makeTempDir`. */
export async function tempDir(t: Pick<TestContext, 'after'>): Promise<string> {
  const { dir, remove } = await makeTempDir();
  t.after(remove);
  return dir;
}

/** A folder of its own; the caller calls `remove`. `parent` is for tests that need another file system. */
export async function makeTempDir(parent: string = tmpdir()): Promise<{ dir: string; remove: () => Promise<void> }> {
  const dir = await mkdtemp(join(parent, 'stormcellar-'));
  return { dir, remove: () => rm(dir, { recursive: true, force: true, maxRetries: 3 }) };
}
