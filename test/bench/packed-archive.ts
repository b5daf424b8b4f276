import { randomUUID } from 'node:crypto';
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { constants, crc32, deflateRawSync } from 'node:zlib';
import { tarOf } from '../support/tar.ts';

const SERVER = fileURLToPath(new URL('../../server', import.meta.url));
const DISTRIBUTIONS = 100;
const DIFFERENT = 16;
const TAR_END_BYTES = 1024;

/** A `.tar.gz` as it was written. */
export interface PackedArchive {
  readonly path: string;
  readonly bytes: number;
  /** What it expands to. */
  readonly expandedBytes: number;
}

/**
 * Writes a `.tar.gz` of program text that no other is like, about so many megabytes of it, with so many members and 100
 * distributions. A few pieces of text are packed once each and come again and again: to expand them costs what others cost.
 */
export async function writePackedArchive(
  path: string,
  { megabytes, members }: { readonly megabytes: number; readonly members: number },
): Promise<PackedArchive> {
  const text = await programText();
  const wanted = (megabytes * 1e6) / (members - DISTRIBUTIONS);
  let length = wanted;
  let pieces = piecesOf(text, length);
  // Longer pieces are packed better than short ones.
  for (let attempt = 0; attempt < 4; attempt += 1) {
    length = Math.round((length * wanted * DIFFERENT) / pieces.reduce((sum, one) => sum + one.packed.length, 0));
    pieces = piecesOf(text, length);
  }
  const top = `editor-${randomUUID()}`;
  const file = await open(path, 'w');
  let crc = 0;
  let expandedBytes = 0;
  let bytes = 0;
  let waiting: Buffer[] = [];
  const write = async (plain: readonly Buffer[], deflated: readonly Buffer[]): Promise<void> => {
    for (const one of plain) {
      crc = crc32(one, crc);
      expandedBytes += one.length;
    }
    waiting.push(...deflated);
    if (waiting.length < 512) return;
    bytes += (await file.writev(waiting)).bytesWritten;
    waiting = [];
  };
  await write([], [Buffer.from([31, 139, 8, 0, 0, 0, 0, 0, 0, 255])]);
  for (let at = 0; at < members; at += 1) {
    if (at < DISTRIBUTIONS) {
      const name = `${top}/vendors/dist_${at}-1.${at}.dist-info/METADATA`;
      const member = tarOf([{ name, data: `Name: dist-${at}\nVersion: 1.${at}\n` }]).subarray(0, -TAR_END_BYTES);
      await write([member], [packed(member)]);
      continue;
    }
    const { plain, packed: deflated } = pieces[at % DIFFERENT] ?? { plain: Buffer.alloc(0), packed: Buffer.alloc(0) };
    const header = tarOf([{ name: `${top}/vendors/${at}.py`, data: '', size: length }]).subarray(0, -TAR_END_BYTES);
    await write([header, plain], [packed(header), deflated]);
  }
  const end = Buffer.alloc(TAR_END_BYTES);
  await write([end], [deflateRawSync(end)]);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc, 0);
  trailer.writeUInt32LE(expandedBytes % 2 ** 32, 4);
  bytes += (await file.writev([...waiting, trailer])).bytesWritten;
  await file.close();
  return { path, bytes, expandedBytes };
}

/** The server's own source, which is packed as well as any program is. */
async function programText(): Promise<Buffer> {
  const names = await readdir(SERVER, { recursive: true });
  const sources = names.filter((name) => name.endsWith('.ts')).sort();
  return Buffer.concat(await Promise.all(sources.map((name) => readFile(join(SERVER, name)))));
}

/** Pieces of that length, and each of them packed. */
function piecesOf(text: Buffer, length: number): readonly { readonly plain: Buffer; readonly packed: Buffer }[] {
  return Array.from({ length: DIFFERENT }, (_, at) => {
    const plain = padded(piece(text, Math.floor((at * text.length) / DIFFERENT), Math.round(length)));
    return { plain, packed: packed(plain) };
  });
}

/** So many bytes from there on; what ends begins again. */
function piece(text: Buffer, from: number, length: number): Buffer {
  const times = Math.ceil((from + length) / text.length);
  return Buffer.concat(Array.from({ length: times }, () => text)).subarray(from, from + length);
}

function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

/** Deflated so that anything may stand before and after it in the same stream. */
function packed(plain: Buffer): Buffer {
  return deflateRawSync(plain, { finishFlush: constants.Z_FULL_FLUSH });
}
