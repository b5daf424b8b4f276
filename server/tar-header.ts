import { isUtf8 } from 'node:buffer';

/** The file is not a tar archive, or one that two readers could read differently. The message is fit for a user. */
export class TarError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TarError';
  }
}

/** What one header block says. */
export interface TarHeader {
  readonly name: string;
  readonly linkName: string;
  readonly size: number;
  /** The type flag as a character; NUL is given as `0`. */
  readonly type: string;
}

export const BLOCK_BYTES = 512;

/** Reads one header block (POSIX ustar, GNU, and what came before them). `undefined` for a block of zeros. Throws `TarError`. */
export function readTarHeader(block: Buffer): TarHeader | undefined {
  if (isZero(block)) return undefined;
  const magic = block.toString('latin1', 257, 263);
  if (octal(block, 148, 8) !== checksum(block)) throw new TarError('A header in the tar archive is damaged.');
  const prefix = magic === 'ustar\0' ? text(block, 345, 155) : '';
  // Readers disagree on whether this field is a part of the name in the other formats.
  if (magic !== 'ustar\0' && !isZero(block.subarray(345, 500))) {
    throw new TarError('A header in the tar archive can be read in two ways.');
  }
  const name = text(block, 0, 100);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    linkName: text(block, 157, 100),
    size: octal(block, 124, 12),
    type: block[156] === 0 ? '0' : String.fromCharCode(block[156] ?? 0),
  };
}

/** The records of a pax extended header. Throws `TarError`; also when one that matters stands there twice. */
export function readPaxRecords(bytes: Buffer): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  let at = 0;
  while (at < bytes.length) {
    const blank = bytes.indexOf(0x20, at);
    const digits = blank === -1 ? '' : bytes.toString('latin1', at, blank);
    const length = /^[1-9][0-9]{0,8}$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    const equals = bytes.indexOf(0x3d, blank);
    if (length === 0 || end > bytes.length || bytes[end - 1] !== 0x0a || equals === -1 || equals >= end) {
      throw new TarError('An extended header in the tar archive is malformed.');
    }
    const key = bytes.toString('utf8', blank + 1, equals);
    if (records.has(key)) throw new TarError('An extended header in the tar archive says the same thing twice.');
    records.set(key, decode(bytes.subarray(equals + 1, end - 1)));
    at = end;
  }
  return records;
}

/** A name's bytes as text. */
export function decode(bytes: Buffer): string {
  return bytes.toString(isUtf8(bytes) ? 'utf8' : 'latin1');
}

export function isZero(bytes: Buffer): boolean {
  for (const byte of bytes) if (byte !== 0) return false;
  return true;
}

function text(block: Buffer, start: number, length: number): string {
  const end = block.indexOf(0, start);
  return decode(block.subarray(start, end === -1 || end > start + length ? start + length : end));
}

function octal(block: Buffer, start: number, length: number): number {
  const field = block.subarray(start, start + length);
  // GNU's base 256, for what does not fit.
  if (field[0] === 0x80) {
    let value = 0;
    for (const byte of field.subarray(1)) value = value * 256 + byte;
    if (Number.isSafeInteger(value)) return value;
  }
  const digits = /^ *([0-7]*)[ \0]*$/.exec(field.toString('latin1'))?.[1];
  if (digits === undefined) throw new TarError('A number in a header of the tar archive is malformed.');
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

function checksum(block: Buffer): number {
  let sum = 8 * 32;
  for (let i = 0; i < 148; i++) sum += block[i] ?? 0;
  for (let i = 156; i < BLOCK_BYTES; i++) sum += block[i] ?? 0;
  return sum;
}
