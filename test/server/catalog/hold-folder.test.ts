import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { CatalogUnusableError } from '../../../server/catalog/errors.ts';
import { holdFolder, ownFolder } from '../../../server/catalog/hold-folder.ts';
import { tempDir } from '../../support/temp-dir.ts';

describe('a data folder of one process', () => {
  it('is refused to a second with a sentence, until the first lets it go', async (t) => {
    const dir = join(await tempDir(t), 'data');
    const first = await holdFolder(dir);
    await assert.rejects(holdFolder(dir), (error) => {
      assert.ok(error instanceof CatalogUnusableError);
      return /Another Stormcellar that runs uses the folder/.test(error.message);
    });
    await first.letGo();
    await (await holdFolder(dir)).letGo();
  });

  it('is for its owner alone when it is made, and stays as it is when it is there', async (t) => {
    const dir = await tempDir(t);
    const modeOf = async (name: string) => (await stat(join(dir, name))).mode & 0o777;
    await mkdir(join(dir, 'open'), { mode: 0o750 });
    for (const [take, made] of [
      [holdFolder, 'data'],
      [ownFolder, join('deeper', 'down', 'shared')],
    ] as const) {
      await (await take(join(dir, made))).letGo();
      assert.equal(await modeOf(made), 0o700);
      await (await take(join(dir, 'open'))).letGo();
      assert.equal(await modeOf('open'), 0o750);
    }
  });

  it('is refused with a sentence when a folder in it takes no files, and not when there is none yet', async (t) => {
    const dir = await tempDir(t);
    await (await holdFolder(dir, ['spool'])).letGo();
    // To root a folder of another user would do, and a file does not.
    await writeFile(join(dir, 'spool'), '');
    await assert.rejects(holdFolder(dir, ['spool']), (error) => {
      assert.ok(error instanceof CatalogUnusableError);
      return /cannot be used: EACCES.*spool/.test(error.message);
    });
  });

  it('that cannot be made is refused with a sentence', async (t) => {
    const file = join(await tempDir(t), 'file');
    await writeFile(file, '');
    // In /proc a folder cannot be made although the one above is there, which Node tries for ever.
    const places = [join(file, 'data'), file, ...(existsSync('/proc/self') ? ['/proc/stormcellar/data'] : [])];
    for (const take of [holdFolder, ownFolder]) {
      for (const place of places) {
        await assert.rejects(take(place), (error) => {
          assert.ok(error instanceof CatalogUnusableError);
          return /cannot be used/.test(error.message);
        });
      }
    }
  });
});

describe('folders of many processes below one', () => {
  it('are each their own: who starts removes those of the dead and leaves those of the living', async (t) => {
    const parent = join(await tempDir(t), 'spool');
    const [one, other] = await Promise.all([ownFolder(parent), ownFolder(parent)]);
    await writeFile(join(one.dir, 'a.spool'), 'being written');
    const dead = join(parent, 'dead');
    await mkdir(dead);
    await writeFile(join(dead, 'b.spool'), 'left');
    const third = await ownFolder(parent);
    assert.equal(new Set([one.dir, other.dir, third.dir]).size, 3);
    assert.ok(existsSync(join(one.dir, 'a.spool')));
    assert.ok(!existsSync(dead));
    for (const held of [one, other, third]) await held.letGo();
    assert.deepEqual(
      (await readdir(parent)).filter((name) => !name.startsWith('in-use')),
      [],
    );
  });
});
