import { BLOCK_BYTES, decode, isZero, readPaxRecords, readTarHeader, TarError, type TarHeader } from './tar-header.ts';

/** A member of a tar archive. Its name is not checked: it may be absolute or hold `..`. */
export interface TarMember {
  readonly name: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'link';
  /** Where a link points to; empty for others. */
  readonly linkName: string;
  readonly size: number;
}

type Sink = (chunk: Buffer) => void;

// Extended headers hold a long name, or a few of them.
const MAX_EXTENDED_BYTES = 1024 * 1024;
const TYPES: Readonly<Record<string, TarMember['type']>> = {
  '0': 'file',
  '7': 'file',
  '1': 'link',
  '2': 'symlink',
  '5': 'directory',
};
// What an extended header says of the member that follows it.
const PAX_KEYS = ['path', 'linkpath', 'size'] as const;

/**
 * Reads an uncompressed tar archive that is written to it piece by piece, and keeps nothing of it. Strict where readers differ (what
 * follows the end, sparse files, sizes of links, two long names for one member): a library that forgives them would show us
 * another archive than the one that pip unpacks.
 */
export class TarWalker {
  readonly #onMember: (member: TarMember) => Sink | undefined;
  readonly #block = Buffer.alloc(BLOCK_BYTES);
  #filled = 0;
  #left = 0;
  #padding = 0;
  #sink: Sink | undefined;
  #afterContent: (() => void) | undefined;
  #long: { path?: string; linkpath?: string; size?: string } = {};
  #hasEnded = false;

  /** `onMember` is told each member in order, and may answer with what takes its content. What it throws comes out of `write`. */
  constructor(onMember: (member: TarMember) => Sink | undefined) {
    this.#onMember = onMember;
  }

  /** Throws `TarError`. */
  write(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#hasEnded) {
        if (!isZero(chunk.subarray(at))) throw new TarError('Data follow the end of the tar archive.');
        return;
      }
      const part = chunk.subarray(at, at + (this.#left || this.#padding || BLOCK_BYTES - this.#filled));
      at += part.length;
      if (this.#left > 0) this.#takeContent(part);
      else if (this.#padding > 0) this.#padding -= part.length;
      else {
        part.copy(this.#block, this.#filled);
        this.#filled += part.length;
        if (this.#filled === BLOCK_BYTES) this.#takeHeader();
      }
    }
  }

  /** To be called after the last piece. Throws `TarError` when the archive is cut short. */
  end(): void {
    const isComplete = this.#left === 0 && this.#padding === 0 && this.#filled === 0;
    if (!isComplete || Object.keys(this.#long).length > 0) throw new TarError('The tar archive is cut short.');
  }

  #takeContent(part: Buffer): void {
    this.#sink?.(part);
    this.#left -= part.length;
    if (this.#left > 0) return;
    const after = this.#afterContent;
    this.#afterContent = undefined;
    after?.();
  }

  #takeHeader(): void {
    this.#filled = 0;
    const header = readTarHeader(this.#block);
    if (header === undefined) {
      this.end();
      this.#hasEnded = true;
    } else if ('xgLK'.includes(header.type)) this.#beginExtended(header);
    else this.#beginMember(header);
  }

  #beginContent(size: number, sink: Sink | undefined): void {
    this.#left = size;
    this.#padding = (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
    this.#sink = sink;
  }

  #beginExtended({ size, type }: TarHeader): void {
    if (size === 0 || size > MAX_EXTENDED_BYTES) {
      throw new TarError('An extended header in the tar archive is empty or very long.');
    }
    const pieces: Buffer[] = [];
    this.#beginContent(size, (piece) => pieces.push(Buffer.from(piece)));
    this.#afterContent = () => this.#takeExtended(type, Buffer.concat(pieces));
  }

  #takeExtended(type: string, bytes: Buffer): void {
    if (type === 'L' || type === 'K') {
      const end = bytes.indexOf(0);
      this.#remember(type === 'L' ? 'path' : 'linkpath', decode(end === -1 ? bytes : bytes.subarray(0, end)));
      return;
    }
    const records = readPaxRecords(bytes);
    for (const key of records.keys()) {
      if (key.startsWith('GNU.sparse')) throw new TarError('The tar archive has sparse members.');
    }
    for (const key of PAX_KEYS) {
      const value = records.get(key);
      if (value === undefined) continue;
      if (type === 'g') throw new TarError(`The tar archive has a global header that sets the ${key} of members.`);
      this.#remember(key, value);
    }
  }

  #remember(key: (typeof PAX_KEYS)[number], value: string): void {
    if (this.#long[key] !== undefined) throw new TarError(`The tar archive gives one member two values for ${key}.`);
    this.#long[key] = value;
  }

  #beginMember(header: TarHeader): void {
    const type = TYPES[header.type];
    if (type === undefined) {
      throw new TarError('The tar archive has members that are neither files, folders nor links.');
    }
    const { path: name = header.name, linkpath: linkName = header.linkName, size: longSize } = this.#long;
    this.#long = {};
    const size = longSize === undefined ? header.size : /^[0-9]{1,15}$/.test(longSize) ? Number(longSize) : -1;
    if (size < 0) throw new TarError('The tar archive has a member whose size is malformed.');
    // Before ustar, a folder was a file whose name ends in a slash.
    const isFolder = type === 'directory' || name.endsWith('/');
    // Some readers would skip these bytes, some take them for the next header.
    if (size > 0 && (isFolder || type !== 'file'))
      throw new TarError('The tar archive has a folder or link with content.');
    const kind = isFolder && type === 'file' ? 'directory' : type;
    const sink = this.#onMember({ name, type: kind, linkName: type === 'file' ? '' : linkName, size });
    this.#beginContent(size, sink);
  }
}
