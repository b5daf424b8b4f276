import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import type { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';

/** What an archive says of itself; what it does not say is absent. */
export interface BundleName {
  readonly app?: string;
  readonly version?: string;
}

const ENDING = /\.(?:tar\.(?:gz|zst|xz|bz2)|tgz|txz|tar|zip|whl|pex|pyz)$/i;
// Of a kind that nobody looks into. Words that end versions of PEP 440 are none.
const OTHER_ENDING =
  /(?<=\d[^-]*)\.(?!(?:a|alpha|b|beta|c|rc|pre|preview|post|rev|r|dev)\d*$)[A-Za-z][A-Za-z0-9]{0,9}$/i;
const BLOCK = 512;
// PKG-INFO is one of the first members of an sdist.
const MEMBERS_LOOKED_AT = 2000;

/** Application and version by the file name: `NAME-VERSION.tar.gz`, any other ending too, or a wheel's name. */
export function nameFromFile(path: string): BundleName {
  const base = basename(path);
  const stem = ENDING.test(base) ? base.replace(ENDING, '') : base.replace(OTHER_ENDING, '');
  if (/\.whl$/i.test(path)) {
    const [app, version] = stem.split('-');
    return { ...(app ? { app } : {}), ...(version ? { version } : {}) };
  }
  // The version begins at the first dash that a digit follows: `my-app-2-1.0rc1` would be ambiguous, so the last such dash counts.
  const match = /^(.+)-(v?\d[A-Za-z0-9._+!]*)$/.exec(stem);
  if (match?.[1] !== undefined && match[2] !== undefined) return { app: match[1], version: match[2] };
  return ENDING.test(path) && stem !== '' ? { app: stem } : {};
}

/** Name and version in the `PKG-INFO` at the top of a tar archive (an sdist). Nothing, when there is none or it cannot be read. */
export async function nameFromPkgInfo(path: string): Promise<BundleName> {
  const stream = tarStream(path);
  if (stream === undefined) return {};
  const reader = new Blocks(stream);
  try {
    for (let member = 0; member < MEMBERS_LOOKED_AT; member += 1) {
      const header = await reader.take(BLOCK);
      if (header === undefined || header[0] === 0) return {};
      const size = Number.parseInt(header.toString('latin1', 124, 136).replace(/\0.*$/, '').trim() || '0', 8);
      if (!Number.isSafeInteger(size)) return {};
      const name = header.toString('utf8', 0, 100).replace(/\0.*$/s, '');
      const padded = Math.ceil(size / BLOCK) * BLOCK;
      if (/^(?:\.\/)?[^/]+\/PKG-INFO$/.test(name) && size < 1024 * 1024) {
        const content = await reader.take(padded);
        return content === undefined ? {} : fieldsOf(content.toString('utf8', 0, size));
      }
      if (!(await reader.skip(padded))) return {};
    }
    return {};
  } catch {
    return {}; // not an archive of this kind: it simply tells nothing
  } finally {
    stream.destroy();
  }
}

function fieldsOf(text: string): BundleName {
  const head = text.split(/\r?\n\r?\n/, 1)[0] ?? '';
  const app = /^Name:[ \t]*(\S+)/im.exec(head)?.[1];
  const version = /^Version:[ \t]*(\S+)/im.exec(head)?.[1];
  return { ...(app === undefined ? {} : { app }), ...(version === undefined ? {} : { version }) };
}

function tarStream(path: string): Readable | undefined {
  const file = createReadStream(path, { highWaterMark: 256 * 1024 });
  if (/\.tar$/i.test(path)) return file;
  const expand = /\.(?:tar\.gz|tgz)$/i.test(path)
    ? createGunzip()
    : /\.tar\.zst$/i.test(path)
      ? createZstdDecompress()
      : undefined;
  if (expand === undefined) {
    file.destroy();
    return undefined;
  }
  file.on('error', (error) => expand.destroy(error));
  expand.on('close', () => file.destroy());
  return file.pipe(expand);
}

/** A stream in pieces of the size that is asked for. */
class Blocks {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: Readable) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** The next `count` bytes; `undefined` when there are less. */
  async take(count: number): Promise<Buffer | undefined> {
    while (this.#rest.length < count) {
      const next = await this.#chunks.next();
      if (next.done === true) return undefined;
      this.#rest = Buffer.concat([this.#rest, next.value]);
    }
    const taken = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    return taken;
  }

  /** Passes over the next `count` bytes, keeping none; false when there are less. */
  async skip(count: number): Promise<boolean> {
    let left = count;
    for (;;) {
      const step = Math.min(left, this.#rest.length);
      this.#rest = this.#rest.subarray(step);
      left -= step;
      if (left === 0) return true;
      const next = await this.#chunks.next();
      if (next.done === true) return false;
      this.#rest = next.value;
    }
  }
}
