import { type FileHandle, open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { inflateRawSync } from 'node:zlib';
import {
  type Entry,
  fromRandomAccessReaderPromise,
  getFileNameLowLevel,
  RandomAccessReader,
  type ZipFile as YauzlFile,
} from 'yauzl';
import type { FileBytes } from '../storage/descriptor.ts';

/** The file is not a zip archive, or one that two readers could read differently. The message is fit for a user. */
export class ZipError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ZipError';
  }
}

/** One member as the central directory describes it. Its name is decoded but not checked: it may be absolute or hold `..`. */
export interface ZipMember {
  readonly name: string;
  readonly rawName: Buffer;
  readonly flags: number;
  /** 0 stored, 8 deflated; what else there is we cannot read. */
  readonly method: number;
  readonly crc32: number;
  readonly compressedSize: number;
  readonly size: number;
  /** Where its local header begins. */
  readonly offset: number;
  /** Its name comes from an extra field that not every reader knows (Info-ZIP Unicode Path). */
  readonly hasUnicodePath: boolean;
  /** Length of its record in the central directory. */
  readonly recordLength: number;
}

const WINDOW_BYTES = 256 * 1024;
// Reads that the window answers are answered at once; after this many the event loop gets its turn.
const HITS_A_TURN = 256;

/** Reads a file through one window that moves, so that the thousands of small reads of a directory cost a few system calls. */
class WindowReader extends RandomAccessReader {
  readonly #file: FileBytes;
  readonly #windowBytes: number;
  #buffer = Buffer.alloc(0);
  #window = Buffer.alloc(0);
  #windowStart = 0;
  #hits = 0;
  /** The operating system's error, kept apart because it is no fault of the archive. */
  failure: unknown;

  constructor(file: FileBytes, windowBytes: number) {
    super();
    this.#file = file;
    this.#windowBytes = windowBytes;
  }

  /** The bytes from `position` on; fewer than `length` only at the end of the file. A view: valid until the next call. */
  async bytes(position: number, length: number): Promise<Buffer> {
    if (!this.#holds(position, length)) await this.#move(position, length);
    const from = Math.min(Math.max(position - this.#windowStart, 0), this.#window.length);
    return this.#window.subarray(from, from + length);
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, bytesRead?: number) => void,
  ): void {
    this.#hits += 1;
    if (this.#holds(position, length) && this.#hits % HITS_A_TURN !== 0) {
      const from = position - this.#windowStart;
      callback(null, this.#window.copy(buffer, offset, from, from + length));
      return;
    }
    this.bytes(position, length).then(
      (bytes) => {
        const copied = bytes.copy(buffer, offset);
        setImmediate(() => callback(null, copied));
      },
      (error) => callback(error instanceof Error ? error : new Error(String(error))),
    );
  }

  override _readStreamForRange(): Readable {
    throw new Error('members are read by position, not as streams of yauzl');
  }

  override close(callback: (error: Error | null) => void): void {
    callback(null);
  }

  #holds(position: number, length: number): boolean {
    return position >= this.#windowStart && position + length <= this.#windowStart + this.#window.length;
  }

  async #move(position: number, length: number): Promise<void> {
    const { size } = this.#file;
    if (!Number.isSafeInteger(position) || position < 0 || position >= size) {
      this.#window = Buffer.alloc(0);
      return;
    }
    // Near the end, the window covers the tail: the directory is mostly there.
    const start = Math.max(0, Math.min(position, size - this.#windowBytes));
    const wanted = Math.min(Math.max(this.#windowBytes, position - start + length), size - start);
    if (this.#buffer.length < wanted) this.#buffer = Buffer.allocUnsafe(wanted);
    const next = this.#buffer;
    this.#window = next.subarray(0, 0);
    try {
      let filled = 0;
      while (filled < wanted) {
        const count = await this.#file.read(next.subarray(filled), wanted - filled, start + filled);
        if (count === 0) break;
        filled += count;
      }
      this.#window = next.subarray(0, filled);
      this.#windowStart = start;
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }
}

/** A zip archive that is open for reading by position. Valid inside of `withZip` only. */
export class ZipFile {
  readonly path: string;
  /** Length of the file. */
  readonly size: number;
  /** Members that the archive says it has. */
  readonly memberCount: number;
  readonly #zip: YauzlFile;
  readonly #reader: WindowReader;

  constructor(path: string, zip: YauzlFile, reader: WindowReader) {
    this.path = path;
    this.#zip = zip;
    this.#reader = reader;
    this.size = zip.fileSize;
    this.memberCount = zip.entryCount;
  }

  /** Every member in the order of the directory. To be called once. Throws `ZipError`, also for more than `maxMembers`. */
  async *members(maxMembers: number): AsyncGenerator<ZipMember> {
    if (this.memberCount > maxMembers) {
      throw new ZipError(`The archive has ${this.memberCount} members; at most ${maxMembers} are allowed.`);
    }
    for await (const entry of this.#zip.eachEntry()) yield memberOf(entry);
  }

  /** Raw bytes of the file. A view: valid until the next read. Throws `ZipError` when the file ends before. */
  async bytes(position: number, length: number): Promise<Buffer> {
    const bytes = await this.#reader.bytes(position, length);
    if (bytes.length < length) throw new ZipError('The archive is cut short.');
    return bytes;
  }

  /** Where a member's data begin, by its local header. */
  async dataStart(member: ZipMember): Promise<number> {
    const header = await this.bytes(member.offset, 30);
    if (header.readUInt32LE(0) !== 0x04034b50) throw new ZipError(`Member ${shown(member.name)} has no local header.`);
    return member.offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  }

  /** A member's content, whole. Throws `ZipError` when it is larger than `maxBytes`, damaged, or in a form we cannot read. */
  async content(member: ZipMember, maxBytes: number): Promise<Buffer> {
    const named = `Member ${shown(member.name)}`;
    if (member.size > maxBytes || member.compressedSize > maxBytes) {
      throw new ZipError(`${named} is larger than ${maxBytes} bytes.`);
    }
    if ((member.flags & 1) !== 0) throw new ZipError(`${named} is encrypted.`);
    const raw = await this.bytes(await this.dataStart(member), member.compressedSize);
    if (member.method === 0) return Buffer.from(raw);
    if (member.method !== 8) throw new ZipError(`${named} is compressed by a method other than deflate.`);
    const content = inflate(raw, member.size, named);
    if (content.length !== member.size) throw new ZipError(`${named} is not as long as the directory says.`);
    return content;
  }
}

/** Opens the zip archive at `path`, hands it to `use`, and closes it. Throws `ZipError`; errors of the file system as they are. */
export async function withZip<T>(path: string, use: (zip: ZipFile) => Promise<T>): Promise<T> {
  const file = await open(path, 'r');
  try {
    return await withZipBytes(await bytesOf(file), use, { path });
  } finally {
    await file.close();
  }
}

/** The bytes of a file that is open, and stays so. */
export async function bytesOf(file: FileHandle): Promise<FileBytes> {
  const { size } = await file.stat();
  const read = async (buffer: Buffer, length: number, position: number): Promise<number> =>
    (await file.read(buffer, 0, length, position)).bytesRead;
  return { size, read };
}

/** The same with bytes that can be had; then `ZipFile.path` is what is said here. `windowBytes`: how many of them are read at a time. */
export async function withZipBytes<T>(
  file: FileBytes,
  use: (zip: ZipFile) => Promise<T>,
  { path = '', windowBytes = WINDOW_BYTES }: { readonly path?: string; readonly windowBytes?: number } = {},
): Promise<T> {
  const reader = new WindowReader(file, windowBytes);
  try {
    const zip = await fromRandomAccessReaderPromise(reader, file.size, { autoClose: false, decodeStrings: false });
    return await use(new ZipFile(path, zip, reader));
  } catch (error) {
    if (reader.failure !== undefined) throw reader.failure;
    throw fromYauzl(error);
  }
}

/** A member's name for a message: printable, and not long. */
export function shown(name: string): string {
  const printable = name.replace(/[^\x20-\x7e]/g, '?');
  return printable.length > 100 ? `${printable.slice(0, 97)}...` : printable;
}

function memberOf(entry: Entry): ZipMember {
  return {
    name: getFileNameLowLevel(entry.generalPurposeBitFlag, entry.fileNameRaw, entry.extraFields, true),
    rawName: Buffer.from(entry.fileNameRaw),
    flags: entry.generalPurposeBitFlag,
    method: entry.compressionMethod,
    crc32: entry.crc32,
    compressedSize: entry.compressedSize,
    size: entry.uncompressedSize,
    offset: entry.relativeOffsetOfLocalHeader,
    hasUnicodePath: entry.extraFields.some((field) => field.id === 0x7075),
    recordLength: 46 + entry.fileNameLength + entry.extraFieldLength + entry.fileCommentLength,
  };
}

function inflate(raw: Buffer, maxOutputLength: number, named: string): Buffer {
  try {
    return inflateRawSync(raw, { maxOutputLength: Math.max(1, maxOutputLength) });
  } catch (error) {
    throw new ZipError(`${named} cannot be decompressed.`, { cause: error });
  }
}

// yauzl throws plain Errors for what is wrong with an archive, in words that a user can read.
function fromYauzl(error: unknown): unknown {
  if (!(error instanceof Error) || error.constructor !== Error) return error;
  return new ZipError(`This is not a readable zip archive (${shown(error.message)}).`, { cause: error });
}
