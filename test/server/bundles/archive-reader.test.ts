import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { pino } from 'pino';
import { ArchiveReader, type ArchiveReaderOptions } from '../../../server/bundles/archive-reader.ts';
import type { ArchiveContents } from '../../../server/model/bundle.ts';
import { makeBundle } from '../../support/bundle.ts';
import { tarOf } from '../../support/tar.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { makeWheel } from '../../support/wheel.ts';
import { type ZipPart, zipOf } from '../../support/zip.ts';

const MB = 1024 * 1024;
const CAPS = { maxMembers: 50, maxExpandedBytes: MB, maxDistributions: 10 };

function reader(t: TestContext, options: Partial<ArchiveReaderOptions> = {}): ArchiveReader {
  const made = new ArchiveReader({
    caps: CAPS,
    timeoutMs: 20_000,
    log: pino({ level: 'silent' }),
    nowMs: () => 0,
    ...options,
  });
  t.after(() => made.close());
  return made;
}

async function read(t: TestContext, name: string, bytes: Buffer, by = reader(t)): Promise<ArchiveContents> {
  const path = join(await tempDir(t), 'spool');
  await writeFile(path, bytes);
  const reading = await by.begin(path, { filename: name, isAwaited: true });
  return await reading.finished(bytes.length);
}

function told(contents: ArchiveContents): string {
  if (contents.distributions === null) return contents.note;
  return contents.distributions.map(({ name, version }) => `${name}==${version}`).join(' ');
}

const TREE = {
  'app-1/app.py': 'x',
  'app-1/vendors/Flask-3.0.0.dist-info/METADATA': 'Name: Flask\nVersion: 3.0.0\n\nName: not this\n',
  'app-1/vendors/old.egg-info/PKG-INFO': 'Name: old\nVersion: 1.1\n',
  'app-1/deep/er/b_c-2.dist-info/METADATA': 'Name: b.c\nVersion: 2\n',
  // Of fixtures that tell nothing the folder does, or they are no distributions.
  'app-1/vendors/named-4.5.dist-info/METADATA': 'Summary: no name\n',
  'app-1/vendors/nothing.egg-info/PKG-INFO': '',
  'app-1/vendors/empty-6.dist-info/METADATA': '',
  // As distutils installs what it knows nothing else of.
  'app-1/vendors/file-0.9-py2.7.egg-info': 'Name: file\nVersion: 0.9\n',
  'app-1/METADATA': 'Name: stray\nVersion: 1\n',
};
const FOUND = 'b-c==2 empty==6 file==0.9 flask==3.0.0 named==4.5 old==1.1';
const TAR = tarOf(Object.entries(TREE).map(([name, data]) => ({ name, data })));
const MEMBERS: readonly ZipPart[] = Object.entries(TREE).map(([name, data]) => ({ name, data }));
const ZIP = zipOf(MEMBERS);
// As zipapp, pex and shiv make them: the first line is for the shell, offsets count from the start of the file.
const PYZ = zipOf(
  MEMBERS.map((part, at) => (at === 0 ? { ...part, before: Buffer.from('#!/usr/bin/python3\n') } : part)),
);

test('distributions are found at any depth in every kind of archive', async (t) => {
  const by = reader(t);
  const dir = await tempDir(t);
  const kinds: [string, Buffer][] = [
    ['app-1.tar', TAR],
    ['app-1.tar.gz', gzipSync(TAR)],
    ['app-1.TGZ', gzipSync(TAR)],
    ['app-1.tar.zst', zstdCompressSync(TAR)],
    ['many-frames.tar.zst', zstdInFrames(TAR)],
    ['app-1.zip', ZIP],
    ['app-1.pyz', PYZ],
    ['app-1.pex', PYZ],
    ['put-together.pex', Buffer.concat([Buffer.from('#!/usr/bin/python3\n'), ZIP])],
    [
      'longer-line.pyz',
      Buffer.concat([Buffer.from('#!/opt/another/place/bin/python3\n'), PYZ.subarray(PYZ.indexOf(10) + 1)]),
    ],
  ];
  const packed = packedByXz(join(dir, 'app.tar'), TAR);
  if (packed) kinds.push(['app-1.tar.xz', packed]);
  for (const [name, bytes] of kinds) assert.equal(told(await read(t, name, bytes, by)), FOUND, name);
  const wheel = makeWheel({ name: 'Demo.Pkg', version: '1.0' });
  assert.equal(told(await read(t, wheel.filename, wheel.bytes, by)), 'demo-pkg==1.0');
  assert.match(told(await read(t, 'app.deb', TAR, by)), /^unknown: /);
});

/** As `pzstd` writes it: frames of their own, each after one to be passed over. */
function zstdInFrames(bytes: Buffer): Buffer {
  const passedOver = Buffer.from('502a4d18040000000a0b0c0d', 'hex');
  const half = bytes.length / 2;
  const frames = [bytes.subarray(0, half), bytes.subarray(half)].map((part) => zstdCompressSync(part));
  return Buffer.concat(frames.flatMap((frame) => [passedOver, frame]));
}

/** Node writes no xz; a machine without the program does not test that. */
function packedByXz(path: string, bytes: Buffer): Buffer | undefined {
  try {
    return execFileSync('xz', ['-c'], { input: bytes, cwd: join(path, '..'), maxBuffer: 1 << 24 });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

test('archives that are broken, hostile or over the caps are unreadable for a stated reason', async (t) => {
  const by = reader(t);
  const zeros = { name: 'z', data: Buffer.alloc(2 * 1024 * 1024) };
  const many = Array.from({ length: 60 }, (_, at) => ({ name: `f${at}`, data: '' }));
  const dists = Array.from({ length: 11 }, (_, at) => ({
    name: `d${at}-1.dist-info/METADATA`,
    data: `Name: d${at}\nVersion: 1\n`,
  }));
  const gz = gzipSync(TAR);
  const damaged = Buffer.from(gz);
  damaged[30] = (damaged[30] ?? 0) ^ 0xff;
  const lying: ZipPart[] = [{ name: 'a-1.dist-info/METADATA', data: 'x', size: 0xfffffff0 }];
  const cases: [string, Buffer, RegExp][] = [
    ['empty.tar.gz', gzipSync(''), /empty/],
    ['noise.tar.gz', Buffer.from('no archive at all'), /decompressed/],
    ['noise.tar', Buffer.alloc(2048, 7), /unreadable/],
    ['cut.tar.gz', gz.subarray(0, gz.length - 30), /cut short/],
    ['cut.tar', TAR.subarray(0, 600), /cut short/],
    ['damaged.tar.gz', damaged, /unreadable/],
    ['bomb.tar.gz', gzipSync(tarOf([zeros])), /expands to more than/],
    ['bomb.tar.zst', zstdCompressSync(tarOf([zeros])), /expands to more than/],
    ['followed.tar.zst', Buffer.concat([zstdCompressSync(TAR), Buffer.from('garbage')]), /decompressed/],
    ['cut.tar.zst', zstdInFrames(TAR).subarray(0, -3), /cut short/],
    ['bomb.zip', zipOf([zeros]), /expands to more than/],
    ['lying.zip', zipOf(lying), /expands to more than/],
    ['many.tar.gz', gzipSync(tarOf(many)), /more than 50 members/],
    ['many.zip', zipOf(many), /60 members/],
    ['dists.tar.gz', gzipSync(tarOf(dists)), /more than 10 distributions/],
    ['dists.zip', zipOf(dists), /more than 10 distributions/],
    ['evil.tar.gz', gzipSync(tarOf([{ name: 'a/../../b', data: '' }])), /leads out/],
    ['absolute.tar.gz', gzipSync(tarOf([{ name: '/etc/x', data: '' }])), /leads out/],
    ['evil.zip', zipOf([{ name: '..\\b', data: '' }]), /leads out/],
    ['noise.zip', Buffer.from('PK'), /unreadable/],
    ['cut.zip', ZIP.subarray(0, ZIP.length - 10), /unreadable/],
  ];
  for (const [name, bytes, expected] of cases) {
    const note = told(await read(t, name, bytes, by));
    assert.match(note, /^unreadable: [a-z]/, name);
    assert.match(note, expected, name);
  }
});

test('an archive is read while it is still being written', async (t) => {
  const caps = { ...CAPS, maxExpandedBytes: 1e9, maxMembers: 1e6 };
  const by = reader(t, { caps });
  const noise = Buffer.from(Array.from({ length: 1 << 16 }, (_, at) => (at * 2654435761) & 0xff));
  const files = Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`f${at}`, noise]));
  const bytes = gzipSync(Buffer.concat([makeTar(files)]), { level: 0 });
  const path = join(await tempDir(t), 'spool');
  const file = await open(path, 'w');
  t.after(() => file.close());
  const reading = await by.begin(path, { filename: 'app.tar.gz', isAwaited: true });
  for (let at = 0; at < bytes.length; at += 1 << 20) {
    await file.write(bytes.subarray(at, at + (1 << 20)));
    reading.grown(Math.min(at + (1 << 20), bytes.length));
  }
  assert.equal(told(await reading.finished(bytes.length)), 'last==1');
});

test('what is packed and comes fast is read when it is complete, and is late if that takes a while', async (t) => {
  const by = reader(t, { caps: { ...CAPS, maxExpandedBytes: 1e9 } });
  const files = Object.fromEntries(Array.from({ length: 35 }, (_, at) => [`f${at}`, Buffer.alloc(MB, at)]));
  const tar = makeTar(files);
  for (const [filename, bytes] of [
    ['large.tar.gz', gzipSync(tar, { level: 0 })],
    ['small.tar.gz', gzipSync(makeTar({}))],
  ] as const) {
    const path = join(await tempDir(t), 'spool');
    // Whoever looks before it is complete sees no archive.
    await writeFile(path, Buffer.alloc(bytes.length));
    const reading = await by.begin(path, { filename, isAwaited: false });
    for (let at = 0; at < bytes.length; at += MB) reading.grown(Math.min(at + MB, bytes.length));
    await writeFile(path, bytes);
    const contents = reading.finished(bytes.length);
    assert.equal(reading.isLate(), filename === 'large.tar.gz', filename);
    assert.equal(told(await contents), 'last==1');
  }
});

test('what is looked into before all of it is there is late as well if much is left', async (t) => {
  const by = reader(t, { caps: { ...CAPS, maxExpandedBytes: 1e9 } });
  const files = Object.fromEntries(Array.from({ length: 35 }, (_, at) => [`f${at}`, Buffer.alloc(2 * MB, at)]));
  const bytes = gzipSync(makeTar(files), { level: 0 });
  const path = join(await tempDir(t), 'spool');
  await writeFile(path, bytes);
  const reading = await by.begin(path, { filename: 'app.tar.gz', isAwaited: false, length: bytes.length });
  reading.grown(bytes.length);
  const contents = reading.finished(bytes.length);
  assert.equal(reading.isLate(), false);
  assert.equal(told(await contents), 'last==1');
  assert.equal(reading.isLate(), true);
});

test('what comes slowly, or need not be decompressed, is read meanwhile', async (t) => {
  const caps = { ...CAPS, maxExpandedBytes: 1e9 };
  const files = Object.fromEntries(Array.from({ length: 35 }, (_, at) => [`f${at}`, Buffer.alloc(MB, at)]));
  const tar = makeTar(files);
  let nowMs = 0;
  for (const [filename, bytes, paceMs] of [
    ['slow.tar.gz', gzipSync(tar, { level: 0 }), 1000],
    ['fast.tar', tar, 0],
  ] as const) {
    const by = reader(t, { caps, nowMs: () => nowMs });
    const path = join(await tempDir(t), 'spool');
    await writeFile(path, bytes);
    const reading = await by.begin(path, { filename, isAwaited: false });
    for (let at = 0; at < bytes.length; at += MB) {
      reading.grown(Math.min(at + MB, bytes.length));
      nowMs += paceMs;
    }
    const contents = reading.finished(bytes.length);
    assert.equal(reading.isLate(), false, filename);
    assert.equal(told(await contents), 'last==1');
  }
});

test('an archive is read wherever its file went since it was begun', async (t) => {
  const by = reader(t);
  for (const [filename, bytes] of [
    ['app-1.tar.gz', gzipSync(TAR)],
    ['app-1.zip', ZIP],
  ] as const) {
    const path = join(await tempDir(t), 'spool');
    await writeFile(path, bytes);
    const reading = await by.begin(path, { filename, isAwaited: false });
    await rm(path);
    assert.equal(told(await reading.finished(bytes.length)), FOUND, filename);
  }
});

function makeTar(files: Readonly<Record<string, Buffer>>): Buffer {
  const parts = Object.entries(files).map(([name, data]) => ({ name, data }));
  return tarOf([...parts, { name: 'last-1.dist-info/METADATA', data: 'Name: last\nVersion: 1\n' }]);
}

test('many at once are all answered; one that takes too long, or comes after the end, is given up with a reason', async (t) => {
  const by = reader(t);
  const { bytes } = makeBundle('app', '1', { flask: '3' });
  const all = await Promise.all(Array.from({ length: 30 }, () => read(t, 'app-1.tar.gz', bytes, by)));
  assert.ok(all.every((contents) => told(contents) === 'flask==3'));
  const endless = reader(t, { timeoutMs: 1 });
  assert.match(told(await read(t, 'app-1.tar.gz', bytes, endless)), /took more than/);
  await by.close();
  assert.equal(told(await read(t, 'app-1.tar.gz', bytes, by)), 'being read');
  const missing = await reader(t).begin(join(await tempDir(t), 'nothing'), {
    filename: 'app-1.tar.gz',
    isAwaited: true,
  });
  assert.equal(told(await missing.finished(10)), 'unreadable: the file could not be read');
});

test('closing starts no thread for archives that still wait for their turn', async (t) => {
  const by = reader(t);
  const path = join(await tempDir(t), 'spool');
  await writeFile(path, TAR);
  const readings = await Promise.all(
    Array.from({ length: 12 }, () => by.begin(path, { filename: 'app-1.tar', isAwaited: true })),
  );
  let started = 0;
  const count = (): void => {
    started += 1;
  };
  process.on('worker', count);
  t.after(() => process.off('worker', count));
  const answers = readings.map((reading) => reading.finished(TAR.length));
  await by.close();
  for (const contents of await Promise.all(answers)) assert.equal(told(contents), 'being read');
  assert.equal(started, 1);
});
