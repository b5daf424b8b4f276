import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { extractWheelMetadata, WheelMetadataError } from '../../server/wheel-metadata.ts';
import { type ZipPart, zipOf } from '../support/zip.ts';

const METADATA = 'Metadata-Version: 2.1\nName: Demo_Pkg\nVersion: 1.0\n\nA text – with a dash\n';

describe('core metadata of a wheel', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'wheel-metadata-'));
  });
  after(() => rm(folder, { recursive: true }));

  async function wheel(parts: readonly ZipPart[], tail = Buffer.alloc(0)): Promise<string> {
    const path = join(folder, `${Math.random()}.whl`);
    await writeFile(path, Buffer.concat([zipOf(parts), tail]));
    return path;
  }

  it('is the exact bytes of METADATA', async () => {
    for (const stored of [true, false]) {
      const path = await wheel([
        { name: 'demo/__init__.py', data: 'x = 1' },
        { name: 'demo_pkg-1.0.dist-info/METADATA', data: METADATA, stored },
      ]);
      assert.equal((await extractWheelMetadata(path)).toString(), METADATA);
    }
  });

  it('is found among many members, in an archive larger than the window', async () => {
    const noise = Buffer.alloc(700_000, 7);
    const parts = Array.from({ length: 3000 }, (_, i) => ({ name: `demo/${i}.py`, data: `${i}` }));
    const path = await wheel([
      { name: 'Demo.Pkg-1.0.dist-info/METADATA', data: METADATA },
      { name: 'demo/noise', data: noise, stored: true },
      ...parts,
    ]);
    assert.equal((await extractWheelMetadata(path)).toString(), METADATA);
  });

  it('is chosen by the file name when there are several folders', async () => {
    const path = await wheel([
      { name: 'other-2.0.dist-info/METADATA', data: 'Name: other' },
      { name: 'Demo.Pkg-1.0.dist-info/METADATA', data: METADATA },
    ]);
    assert.equal((await extractWheelMetadata(path, 'demo_pkg-1.0-py3-none-any.whl')).toString(), METADATA);
    await assert.rejects(extractWheelMetadata(path), WheelMetadataError);
  });

  it('of two members of one name is the later, as pip takes it', async () => {
    const path = await wheel([
      { name: 'demo-1.0.dist-info/METADATA', data: 'first' },
      { name: 'demo-1.0.dist-info/METADATA', data: 'second' },
    ]);
    assert.equal((await extractWheelMetadata(path)).toString(), 'second');
  });

  it('is not looked for in a folder below', async () => {
    const path = await wheel([{ name: 'demo/vendor-1.0.dist-info/METADATA', data: METADATA }]);
    await assert.rejects(extractWheelMetadata(path), /has no \.dist-info/);
  });

  it('is had although another member has a bad name', async () => {
    const path = await wheel([{ name: '../x' }, { name: 'demo-1.0.dist-info/METADATA', data: METADATA }]);
    assert.equal((await extractWheelMetadata(path)).toString(), METADATA);
  });

  it('is refused in words when the archive is no good', async () => {
    const good = [{ name: 'demo-1.0.dist-info/METADATA', data: METADATA }];
    const whole = zipOf(good);
    for (const [name, bytes] of [
      ['empty', Buffer.alloc(0)],
      ['text', Buffer.from('hello'.repeat(100))],
      ['cut', whole.subarray(0, whole.length - 30)],
      ['trailing', Buffer.concat([whole, Buffer.from('XXXX')])],
      ['prefixed', Buffer.concat([Buffer.from('#!/bin/sh\n'), whole])],
    ] as const) {
      const path = join(folder, `bad-${name}`);
      await writeFile(path, bytes);
      await assert.rejects(extractWheelMetadata(path), WheelMetadataError, name);
    }
    await assert.rejects(extractWheelMetadata(await wheel(good.map((g) => ({ ...g, size: 5 })))), WheelMetadataError);
    await assert.rejects(extractWheelMetadata(await wheel(good.map((g) => ({ ...g, flags: 1 })))), /encrypted/);
    await assert.rejects(
      extractWheelMetadata(await wheel(good.map((g) => ({ ...g, method: 14 })))),
      WheelMetadataError,
    );
  });

  it('costs no memory when it is a bomb', async () => {
    const path = await wheel([{ name: 'demo-1.0.dist-info/METADATA', data: Buffer.alloc(64 * 1024 * 1024) }]);
    await assert.rejects(extractWheelMetadata(path), /larger than/);
    const liar = await wheel([
      { name: 'demo-1.0.dist-info/METADATA', data: Buffer.alloc(64 * 1024 * 1024), size: 100 },
    ]);
    await assert.rejects(extractWheelMetadata(liar), /decompressed/);
  });

  it('leaves errors of the file system as they are', async () => {
    await assert.rejects(extractWheelMetadata(join(folder, 'absent')), { code: 'ENOENT' });
  });
});
