import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { all } from '../../../server/catalog/catalog.ts';
import { findHostedPage } from '../../../server/catalog/hosted.ts';
import { sql } from '../../../server/catalog/schema.ts';
import { openSqlite } from '../../../server/catalog/sqlite.ts';
import type { ProjectName } from '../../../server/model/project-name.ts';
import type { Digest } from '../../../storage/digest.ts';
import { openBlobStore } from '../../../storage/open.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { MIGRATIONS_DIR } from '../../support/test-catalog.ts';
import { makeWheel, sha256Of } from '../../support/wheel.ts';

const program = fileURLToPath(new URL('../../support/upload-and-die.ts', import.meta.url));
const WHEEL = makeWheel({ name: 'demo', version: '1.0' });

async function uploadAndDie(dir: string, dieAt: number): Promise<'died' | 'done'> {
  const child = spawn(process.execPath, [program, dir, String(dieAt)], { stdio: ['ignore', 'inherit', 'inherit'] });
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  if (signal === 'SIGKILL') return 'died';
  assert.equal(code, 0);
  return 'done';
}

/** The release file is there with its bytes, or nothing of it is; which? */
async function whatIsThere(dir: string): Promise<'whole' | 'nothing'> {
  const catalog = await openSqlite({ path: join(dir, 'catalog.sqlite'), migrationsDir: MIGRATIONS_DIR });
  const blobs = await openBlobStore(
    { kind: 'disk', dir: join(dir, 'blobs') },
    { spoolDir: join(dir, 'spool'), minFreeBytes: 0 },
  );
  try {
    const page = await catalog.read(() => findHostedPage('local', 'demo' as ProjectName));
    const tables = ['file', 'project', 'core_metadata', 'event'] as const;
    const rows = await Promise.all(tables.map((table) => catalog.read(() => all(sql.selectFrom(table).selectAll()))));
    if (page === undefined) {
      assert.deepEqual(
        rows.map((found) => found.length),
        [0, 0, 0, 0],
      );
      return 'nothing';
    }
    assert.deepEqual(
      rows.map((found) => found.length),
      [1, 1, 1, 1],
    );
    assert.deepEqual(
      page.files.map((file) => file.hashes.sha256),
      [WHEEL.sha256],
    );
    for (const [digest, size] of [
      [WHEEL.sha256, WHEEL.bytes.length],
      [sha256Of(WHEEL.metadata), WHEEL.metadata.length],
    ] as [Digest, number][]) {
      assert.deepEqual(await blobs.stat(digest), { digest, size });
    }
    return 'whole';
  } finally {
    await blobs.close();
    await catalog.close();
  }
}

/** Dies at a step, and answers what is there then; `undefined` when there is no such step. */
async function dieAndLook(root: string, dieAt: number): Promise<'whole' | 'nothing' | undefined> {
  const dir = join(root, String(dieAt));
  await mkdir(dir);
  if ((await uploadAndDie(dir, dieAt)) === 'done') return undefined;
  const found = await whatIsThere(dir);
  if (dieAt % 4 === 0) {
    assert.equal(await uploadAndDie(dir, 1000), 'done');
    assert.equal(await whatIsThere(dir), 'whole');
  }
  return found;
}

it('an upload that is killed at any instant leaves the whole file or nothing, and can be repeated', async (t) => {
  const root = await tempDir(t);
  const found: ('whole' | 'nothing' | undefined)[] = [];
  while (!found.includes(undefined)) {
    const next = Array.from({ length: 4 }, (_, i) => found.length + i);
    found.push(...(await Promise.all(next.map((dieAt) => dieAndLook(root, dieAt)))));
  }
  const deaths = found.slice(0, found.indexOf(undefined));
  assert.ok(deaths.length > 10, `${deaths.length} steps`);
  // First nothing, and from one step on the whole.
  const turn = deaths.indexOf('whole');
  assert.ok(turn > 0);
  assert.ok(deaths.slice(turn).every((what) => what === 'whole'));
});
