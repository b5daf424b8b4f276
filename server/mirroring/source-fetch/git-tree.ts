import type { Readable } from 'node:stream';
import { Problem } from '../../problem.ts';
import { type GitSettings, runGit } from './git-run.ts';

/** A file, link or submodule of a commit. */
export interface TreeEntry {
  /** Relative, `/` between folders. */
  readonly path: string;
  readonly kind: 'file' | 'executable' | 'link' | 'submodule';
  readonly id: string;
  /** Bytes; 0 of a submodule. */
  readonly size: number;
}

const KINDS: Readonly<Record<string, TreeEntry['kind']>> = {
  '100644': 'file',
  '100664': 'file',
  '100755': 'executable',
  '120000': 'link',
  '160000': 'submodule',
};

export interface TreeCaps {
  readonly maxEntries: number;
  /** All files together. */
  readonly maxBytes: number;
}

/** Everything in a commit, in git's order. Throws `payload-too-large`, and `not-accepted` for a path that no file may have. */
export async function listTree(commit: string, settings: GitSettings, caps: TreeCaps): Promise<readonly TreeEntry[]> {
  return await runGit(['ls-tree', '-r', '-z', '--long', '--full-tree', commit], settings, async (output, input) => {
    input.end();
    const entries: TreeEntry[] = [];
    let bytes = 0;
    for await (const record of split(output)) {
      const match = /^(\d{6}) \w+ ([0-9a-f]{40,64}) +(\d+|-)\t(.+)$/s.exec(record);
      if (match === null) continue;
      const [, mode = '', id = '', size = '', path = ''] = match;
      if (path.split('/').some((part) => part === '' || part === '.' || part === '..' || part.toLowerCase() === '.git'))
        throw new Problem('not-accepted', 'The repository has a file whose path leads out of it.');
      const entry = { path, kind: KINDS[mode] ?? 'file', id, size: size === '-' ? 0 : Number(size) };
      bytes += entry.size;
      entries.push(entry);
      if (entries.length > caps.maxEntries || bytes > caps.maxBytes)
        throw new Problem(
          'payload-too-large',
          `The commit has more than ${caps.maxEntries} files or ${caps.maxBytes} bytes.`,
        );
    }
    return entries;
  });
}

/** Records that end in NUL. */
async function* split(output: Readable): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of output as AsyncIterable<Buffer>) {
    rest = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    let start = 0;
    for (let end = rest.indexOf(0, start); end !== -1; end = rest.indexOf(0, start)) {
      yield rest.toString('utf8', start, end);
      start = end + 1;
    }
    rest = rest.subarray(start);
    if (rest.length > 1024 * 1024)
      throw new Problem('not-accepted', 'The repository has a path of more than a megabyte.');
  }
}

/** Reads objects one after the other out of one `git cat-file`. */
export class ObjectReader {
  readonly #output: AsyncIterator<Buffer>;
  readonly #ask: (id: string) => void;
  #rest: Buffer = Buffer.alloc(0);

  constructor(output: Readable, ask: (id: string) => void) {
    this.#output = output[Symbol.asyncIterator]();
    this.#ask = ask;
  }

  /** The content of an object in pieces; has to be read to its end before the next. */
  async *read(id: string): AsyncGenerator<Buffer> {
    this.#ask(id);
    const head = await this.#line();
    const size = Number(/^[0-9a-f]+ \w+ (\d+)$/.exec(head)?.[1] ?? Number.NaN);
    if (Number.isNaN(size))
      throw new Problem('upstream-unavailable', 'The repository lacks a file that its commit has.');
    let left = size;
    while (left > 0) {
      if (this.#rest.length === 0) await this.#more();
      const piece = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
    await this.#line();
  }

  async #line(): Promise<string> {
    for (let end = this.#rest.indexOf(10); ; end = this.#rest.indexOf(10)) {
      if (end !== -1) {
        const line = this.#rest.toString('utf8', 0, end);
        this.#rest = this.#rest.subarray(end + 1);
        return line;
      }
      await this.#more();
    }
  }

  async #more(): Promise<void> {
    const next = await this.#output.next();
    if (next.done === true) throw new Problem('upstream-unavailable', 'git ended in the middle of a file.');
    this.#rest = this.#rest.length === 0 ? next.value : Buffer.concat([this.#rest, next.value]);
  }
}

/** Hands a reader of objects to `use`. */
export async function withObjects<T>(settings: GitSettings, use: (objects: ObjectReader) => Promise<T>): Promise<T> {
  return await runGit(['cat-file', '--batch'], settings, async (output, input) => {
    const result = await use(new ObjectReader(output, (id) => input.write(`${id}\n`)));
    input.end();
    return result;
  });
}
