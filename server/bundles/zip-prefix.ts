import type { FileHandle } from 'node:fs/promises';
import type { FileBytes } from '../../storage/descriptor.ts';
import { bytesOf } from '../zip-file.ts';

const END_BYTES = 22;
const MAX_COMMENT_BYTES = 0xffff;
// What zip64 has before the end: a record and where it is.
const END64_BYTES = 56;
const LOCATOR_BYTES = 20;

/**
 * The zip archive at the end of a file, without what somebody put before it whole, such as a first line for the shell
 * (`python -m zipapp OLD -p …`, `cat`): Python finds it as well. Where nothing was, or nothing tells how much, it is the file as it is.
 */
export async function zipInside(file: FileHandle): Promise<FileBytes> {
  const whole = await bytesOf(file);
  const prefix = await prefixOf(whole);
  return {
    size: whole.size - prefix,
    read: (buffer, length, position) => whole.read(buffer, length, position + prefix),
  };
}

/** How much later the directory is than the archive says. */
async function prefixOf(file: FileBytes): Promise<number> {
  const tailBytes = Math.min(file.size, LOCATOR_BYTES + END64_BYTES + END_BYTES + MAX_COMMENT_BYTES);
  const tail = Buffer.alloc(tailBytes);
  const tailAt = file.size - tailBytes;
  if (tailBytes < END_BYTES || (await file.read(tail, tailBytes, tailAt)) < tailBytes) return 0;
  const at = endIn(tail);
  if (at === undefined) return 0;
  const record = at - LOCATOR_BYTES - END64_BYTES;
  const isZip64 = record >= 0 && tail.readUInt32LE(record) === 0x06064b50;
  const length = isZip64 ? Number(tail.readBigUInt64LE(record + 40)) : tail.readUInt32LE(at + 12);
  const start = isZip64 ? Number(tail.readBigUInt64LE(record + 48)) : tail.readUInt32LE(at + 16);
  const actual = tailAt + (isZip64 ? record : at) - length;
  if (actual <= start || length === 0) return 0;
  const signature = Buffer.alloc(4);
  const count = await file.read(signature, 4, actual);
  return count === 4 && signature.readUInt32LE(0) === 0x02014b50 ? actual - start : 0;
}

/** Where the end record is whose comment reaches to the end of the file. */
function endIn(tail: Buffer): number | undefined {
  for (let at = tail.length - END_BYTES; at >= 0; at--) {
    if (tail.readUInt32LE(at) === 0x06054b50 && at + END_BYTES + tail.readUInt16LE(at + 20) === tail.length) return at;
  }
  return undefined;
}
