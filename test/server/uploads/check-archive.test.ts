import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Filename } from '../../../server/model/filename.ts';
import type { ProjectName } from '../../../server/model/project-name.ts';
import { Problem } from '../../../server/problem.ts';
import { checkArchive } from '../../../server/uploads/check-archive.ts';
import type { Claims } from '../../../server/uploads/check-form.ts';
import { DEFAULT_RULES, type UploadRules } from '../../../server/uploads/upload-rules.ts';
import { type TarPart, tarOf } from '../../support/tar.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { makeSdist, makeWheel } from '../../support/wheel.ts';
import { type ZipPart, zipOf } from '../../support/zip.ts';

const WHEEL: Claims = {
  project: 'demo-pkg' as ProjectName,
  filename: 'demo_pkg-1.0-py3-none-any.whl' as Filename,
  kind: 'wheel',
  format: 'zip',
  version: '1.0',
};
const SDIST: Claims = { ...WHEEL, filename: 'demo_pkg-1.0.tar.gz' as Filename, kind: 'sdist', format: 'tar.gz' };
const METADATA = 'Metadata-Version: 2.1\nName: Demo_Pkg\nVersion: 1.0\n\n';

const INFO = 'demo_pkg-1.0.dist-info';
const GOOD: readonly ZipPart[] = [
  { name: 'demo_pkg/__init__.py', data: 'x = 1\n' },
  { name: `${INFO}/METADATA`, data: METADATA },
  { name: `${INFO}/WHEEL`, data: 'Wheel-Version: 1.0\n' },
  { name: `${INFO}/RECORD`, data: '' },
];

/** The good wheel with more files, and a RECORD that says this. */
function recorded(record: readonly string[], more: readonly string[] = []): Buffer {
  const data = record.map((row) => `${row}\n`).join('');
  return zipOf([...GOOD.slice(0, -1), ...more.map((name) => ({ name })), { name: `${INFO}/RECORD`, data }]);
}

describe('an archive that is uploaded', () => {
  let dir = '';
  let remove = async (): Promise<void> => {};
  let count = 0;
  before(async () => {
    ({ dir, remove } = await makeTempDir());
  });
  after(() => remove());

  async function check(bytes: Buffer, claims: Claims, rules: Partial<UploadRules> = {}): Promise<string> {
    count += 1;
    const path = join(dir, String(count));
    await writeFile(path, bytes);
    // RECORD has a test of its own, and must not be what the others are refused for.
    const lenient = { ...DEFAULT_RULES, unrecordedFiles: true };
    return (await checkArchive(path, claims, { ...lenient, ...rules })).toString();
  }

  async function refused(
    name: string,
    bytes: Buffer,
    claims: Claims,
    rules: Partial<UploadRules> = {},
  ): Promise<string> {
    try {
      await check(bytes, claims, rules);
    } catch (error) {
      assert.ok(error instanceof Problem, `${name}: ${error}`);
      assert.equal(error.slug, 'invalid-archive', name);
      return error.detail;
    }
    throw new assert.AssertionError({ message: `${name} was taken` });
  }

  it('gives its core metadata', async () => {
    assert.equal(await check(zipOf(GOOD), WHEEL), METADATA);
    const wheel = makeWheel({
      name: 'Demo.Pkg',
      version: '1.0',
      padding: 900_000,
      files: { 'demo_pkg/big.txt': 'x'.repeat(2_000_000) },
    });
    assert.equal(await check(wheel.bytes, WHEEL), wheel.metadata.toString());
    const sdist = makeSdist({ name: 'demo-pkg', version: '1.0', padding: 900_000 });
    assert.equal(await check(sdist.bytes, SDIST), sdist.metadata.toString());
    const zip = zipOf([{ name: 'demo-pkg-1.0/PKG-INFO', data: METADATA }, { name: 'demo-pkg-1.0/setup.py' }]);
    assert.equal(await check(zip, { ...SDIST, format: 'zip' }), METADATA);
  });

  it('may be written in every way that all readers understand', async () => {
    assert.equal(await check(zipOf(GOOD.map((part) => ({ ...part, stored: true }))), WHEEL), METADATA);
    assert.equal(await check(zipOf(GOOD.map((part) => ({ ...part, descriptor: true }))), WHEEL), METADATA);
    assert.equal(await check(zipOf([{ name: 'demo_pkg/', stored: true }, ...GOOD]), WHEEL), METADATA);
    const spelt = GOOD.map((part) => ({ ...part, name: String(part.name).replace(INFO, 'Demo.Pkg-1.0.0.dist-info') }));
    assert.equal(await check(zipOf(spelt), WHEEL), METADATA);
    const linked: TarPart[] = [
      { name: './demo-1/PKG-INFO', data: METADATA },
      { name: './demo-1/docs/x', data: '', type: '2', linkName: '../PKG-INFO' },
      { name: './demo-1/y', data: '', type: '1', linkName: 'demo-1/PKG-INFO' },
    ];
    assert.equal(await check(gzipSync(tarOf(linked)), SDIST), METADATA);
  });

  it('is refused when it is not what its name says', async () => {
    const whole = zipOf(GOOD);
    await refused('empty', Buffer.alloc(0), WHEEL);
    await refused('text', Buffer.from('hello'.repeat(50)), WHEEL);
    await refused('a tar as a wheel', gzipSync(tarOf([{ name: 'a', data: 'b' }])), WHEEL);
    await refused('a wheel as an sdist', whole, SDIST);
    await refused('a gzip that is no tar', gzipSync('hello'.repeat(500)), SDIST);
    await refused('cut short', whole.subarray(0, -40), WHEEL);
  });

  it('is refused when two readers would see two archives: zip', async () => {
    const whole = zipOf(GOOD);
    const first = GOOD[0] as ZipPart;
    const rest = GOOD.slice(1);
    const changed = (change: Partial<ZipPart>): Buffer => zipOf([{ ...first, ...change }, ...rest]);
    const cases: Record<string, Buffer> = {
      'trailing data': Buffer.concat([whole, Buffer.from('x')]),
      'prepended data': Buffer.concat([Buffer.from('#!/bin/sh\n'), whole]),
      'prepended data that is accounted for': changed({ before: Buffer.from('#!/bin/sh\n') }),
      'two archives in a row': Buffer.concat([whole, whole]),
      'a comment': zipOf(GOOD, { comment: 'hello' }),
      'a gap between members': changed({ after: Buffer.from('gap') }),
      'a gap before the directory': zipOf(GOOD, { directoryGap: Buffer.from('gap') }),
      'a member that the directory does not name': zipOf([...GOOD, { name: 'demo_pkg/hidden.py', hidden: true }]),
      'fewer members than there are': zipOf(GOOD, { count: 3 }),
      'more members than there are': zipOf(GOOD, { count: 5 }),
      'two members of one name': zipOf([...GOOD, { name: 'demo_pkg/__init__.py', data: 'evil' }]),
      'two spellings of one path': zipOf([...GOOD, { name: 'demo_pkg/./__init__.py', data: 'evil' }]),
      'another name in front': changed({ localName: 'demo_pkg/__evil__.py' }),
      'another size in front': changed({ localSize: 5 }),
      'a wrong checksum': changed({ crc: 1 }),
      'a wrong checksum, stored': changed({ crc: 1, stored: true }),
      'a wrong checksum, large': changed({ crc: 1, data: Buffer.alloc(2_000_000) }),
      'a size that is too small': changed({ size: 2 }),
      'a size that is too large': changed({ size: 2000 }),
      'a size that is too small, large': changed({ data: Buffer.alloc(2_000_000), size: 300_000 }),
      'slack in the compressed data': changed({ slack: Buffer.from('slack') }),
      'slack, large': changed({ data: Buffer.alloc(2_000_000), slack: Buffer.from('slack') }),
      'a member that is encrypted': changed({ flags: 1 }),
      'another compression': changed({ method: 14 }),
      'stored with its size behind': changed({ stored: true, descriptor: true }),
      'a control character': zipOf([...GOOD, { name: 'demo_pkg/a\nb' }]),
      'a NUL': zipOf([...GOOD, { name: 'demo_pkg/a\0b' }]),
    };
    for (const [name, bytes] of Object.entries(cases)) await refused(name, bytes, WHEEL);
  });

  it('is refused when two readers would see two archives: gzip and tar', async () => {
    const tar = tarOf([{ name: 'demo-1/PKG-INFO', data: METADATA }]);
    const whole = gzipSync(tar);
    const damaged = Buffer.from(whole);
    damaged[damaged.length - 6] = (damaged[damaged.length - 6] ?? 0) ^ 255;
    await refused('trailing data', Buffer.concat([whole, Buffer.from('x')]), SDIST);
    await refused('trailing zeros', Buffer.concat([whole, Buffer.alloc(100)]), SDIST);
    await refused('two gzip files in a row', Buffer.concat([whole, whole]), SDIST);
    await refused('a wrong checksum', damaged, SDIST);
    await refused('cut short', whole.subarray(0, -12), SDIST);
    await refused('tar in a row', gzipSync(Buffer.concat([tar, tar])), SDIST);
    await refused(
      'twice',
      gzipSync(
        tarOf([
          { name: 'd/PKG-INFO', data: METADATA },
          { name: 'd/./PKG-INFO', data: 'x' },
        ]),
      ),
      SDIST,
    );
  });

  it('is refused when a member would be written elsewhere', async () => {
    for (const name of ['../x', 'demo/../../x', '/etc/x', 'demo\\..\\x', 'C:/x', 'demo/..']) {
      await refused(name, zipOf([...GOOD, { name }]), WHEEL);
      const tar = tarOf([
        { name: 'd/PKG-INFO', data: METADATA },
        { name, data: 'x' },
      ]);
      await refused(name, gzipSync(tar), SDIST);
    }
    const links: Record<string, TarPart[]> = {
      'an absolute link': [{ name: 'd/l', data: '', type: '2', linkName: '/etc/passwd' }],
      'a link upwards': [{ name: 'd/l', data: '', type: '2', linkName: '../../x' }],
      'a hard link upwards': [{ name: 'd/l', data: '', type: '1', linkName: '../x' }],
      'a link to nothing': [{ name: 'd/l', data: '', type: '2' }],
      'a file through a link': [
        { name: 'd/l', data: '', type: '2', linkName: '.' },
        { name: 'd/l/x', data: 'x' },
      ],
      'a link that goes back after a link': [
        { name: 'd/e/f/l', data: '', type: '2', linkName: '../../..' },
        { name: 'd/e/f/m', data: '', type: '2', linkName: 'l/../x' },
      ],
      'a link through a link': [
        { name: 'd/a/b', data: '', type: '5' },
        { name: 'd/l', data: '', type: '2', linkName: 'a/b' },
        { name: 'd/m', data: '', type: '2', linkName: 'l/../../x' },
        { name: 'd/n', data: '', type: '2', linkName: 'l/x' },
      ],
    };
    for (const [name, parts] of Object.entries(links)) {
      await refused(name, gzipSync(tarOf([{ name: 'd/PKG-INFO', data: METADATA }, ...parts])), SDIST);
    }
  });

  it('is refused when it is a bomb, at no cost of memory', async () => {
    const before = process.memoryUsage().rss;
    const zeros = Buffer.alloc(100 * 1024 * 1024);
    const zip = zipOf([{ name: 'demo_pkg/zeros', data: zeros }, ...GOOD]);
    assert.match(await refused('a bomb', zip, WHEEL), /times as large/);
    const liar = zipOf([{ name: 'demo_pkg/zeros', data: zeros, size: 100 }, ...GOOD]);
    assert.match(await refused('a bomb that lies', liar, WHEEL), /decompressed|not as long/);
    const tar = gzipSync(tarOf([{ name: 'd/zeros', data: zeros }]));
    assert.match(await refused('a bomb in gzip', tar, SDIST), /times as large/);
    const metadata = zipOf(
      GOOD.map((part) => (part.name === `${INFO}/METADATA` ? { ...part, data: Buffer.alloc(17 << 20) } : part)),
    );
    assert.match(await refused('metadata as a bomb', metadata, WHEEL, { maxRatio: 1e9 }), /larger than/);
    const many = zipOf(Array.from({ length: 1001 }, (_, i) => ({ name: `f${i}` })));
    assert.match(await refused('many members', many, WHEEL, { maxMembers: 1000 }), /at most 1000/);
    const manyInTar = gzipSync(tarOf(Array.from({ length: 1001 }, (_, i) => ({ name: `d/f${i}`, data: '' }))));
    assert.match(await refused('many members in tar', manyInTar, SDIST, { maxMembers: 1000 }), /more than 1000/);
    assert.match(await refused('too large', zipOf(GOOD), WHEEL, { maxExpandedBytes: 10 }), /limit of 10 bytes/);
    // The archives themselves, and what the collector has not taken yet.
    assert.ok(process.memoryUsage().rss - before < 450 * 1024 * 1024);
  });

  it('is refused when its core metadata are missing, elsewhere or more than once', async () => {
    const without = (name: string): Buffer => zipOf(GOOD.filter((part) => part.name !== `${INFO}/${name}`));
    for (const name of ['METADATA', 'WHEEL', 'RECORD'])
      assert.match(await refused(name, without(name), WHEEL), new RegExp(name));
    await refused('no folder', zipOf([GOOD[0] as ZipPart]), WHEEL);
    await refused('two folders', zipOf([...GOOD, { name: 'other-1.0.dist-info/METADATA', data: METADATA }]), WHEEL);
    await refused('two cases', zipOf([...GOOD, { name: 'demo_pkg-1.0.DIST-INFO/METADATA', data: METADATA }]), WHEEL);
    const other = GOOD.map((part) => ({ ...part, name: String(part.name).replace(INFO, 'other-1.0.dist-info') }));
    await refused('of another project', zipOf(other), WHEEL);
    const later = GOOD.map((part) => ({ ...part, name: String(part.name).replace(INFO, 'demo_pkg-2.0.dist-info') }));
    await refused('of another version', zipOf(later), WHEEL);
    const tar = (parts: TarPart[]): Buffer => gzipSync(tarOf(parts));
    await refused('no PKG-INFO', tar([{ name: 'd/setup.py', data: '' }]), SDIST);
    await refused('PKG-INFO too deep', tar([{ name: 'd/e/PKG-INFO', data: METADATA }]), SDIST);
    await refused('PKG-INFO at the top', tar([{ name: 'PKG-INFO', data: METADATA }]), SDIST);
    await refused('two tops', tar(['a', 'b'].map((top) => ({ name: `${top}/PKG-INFO`, data: METADATA }))), SDIST);
    await refused('a folder', tar([{ name: 'd/PKG-INFO', data: '', type: '5' }]), SDIST);
  });

  it('is refused when its RECORD does not name what is in it', async () => {
    const strict = { unrecordedFiles: DEFAULT_RULES.unrecordedFiles };
    const rows = GOOD.map(({ name }) => `${String(name)},sha256=x,1`);
    const taken: readonly Buffer[] = [
      recorded(rows),
      recorded([...rows, 'demo_pkg/,,', '']),
      recorded(rows.map((row) => `./${row}\r`)),
      recorded([...rows, '"demo_pkg/a, ""b"".py",sha256=x,1'], ['demo_pkg/a, "b".py', 'demo_pkg/']),
      recorded(rows, [`${INFO}/RECORD.jws`, `${INFO}/RECORD.p7s`]),
      recorded([...rows, `${INFO}/RECORD.jws,,`]),
      recorded(rows.slice(0, -1)),
      recorded([]),
    ];
    for (const bytes of taken) assert.equal(await check(bytes, WHEEL, strict), METADATA);
    const smuggled = recorded(rows, ['demo_pkg/smuggled.pth']);
    assert.match(await refused('a file more', smuggled, WHEEL, strict), /does not name: "?demo_pkg\/smuggled\.pth/);
    assert.equal(await check(smuggled, WHEEL, { unrecordedFiles: true }), METADATA);
    const missing = recorded([...rows, 'demo_pkg/missing.py,,']);
    assert.match(await refused('a file less', missing, WHEEL, strict), /not there: "?demo_pkg\/missing\.py/);
    await refused('a RECORD that is no CSV', recorded([...rows, 'a"b,,']), WHEEL, strict);
    await refused('another case', recorded(rows.map((row) => row.replace('__init__', '__INIT__'))), WHEEL, strict);
  });

  it('lets others have their turn while it is read', async () => {
    const parts = Array.from({ length: 8000 }, (_, i) => ({ name: `demo_pkg/${i}.py`, data: 'x = 1\n'.repeat(300) }));
    const bytes = zipOf([...parts, ...GOOD]);
    let turns = 0;
    let isDone = false;
    const tick = (): void => {
      turns += 1;
      if (!isDone) setImmediate(tick);
    };
    setImmediate(tick);
    await check(bytes, WHEEL);
    isDone = true;
    assert.ok(turns > 50, `${turns} turns`);
  });
});
