import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { CommandFailure } from './failure.ts';

/** A lock as the server takes it in. */
export interface LockBody {
  readonly name: string;
  readonly content: string;
  readonly parts?: Readonly<Record<string, string>>;
  readonly index?: string;
  readonly targets?: readonly string[];
  readonly sdists?: boolean;
}

export interface LockFileOptions {
  readonly requirement: string;
  readonly index?: string;
  readonly target?: readonly string[];
  readonly sdists?: true;
}

/** Adds the options that say which lock is meant and what for. */
export function withLock(command: Command): Command {
  return command
    .requiredOption(
      '-r, --requirement <file>',
      'the lock: requirements.txt, pylock.toml, uv.lock, poetry.lock, Pipfile.lock or pdm.lock',
    )
    .option('--index <name>', 'the index it is installed from (default: the default one)')
    .option(
      '--target <target>',
      'only for this Python and platform, such as cp311-manylinux_2_17_x86_64; may be given again',
      (target: string, before: readonly string[] = []) => [...before, ...target.split(',')],
    )
    .option('--sdists', 'sdists as well, with what they need to be built');
}

/** Reads the lock, and of a requirements file those that it refers to. Throws `CommandFailure`. */
export async function lockBody(options: LockFileOptions): Promise<LockBody> {
  const { requirement: file, index, target, sdists } = options;
  const content = await read(file);
  const parts = /\.(?:txt|in|pip)$/i.test(file) ? await partsOf(content, dirname(file)) : {};
  return {
    name: file.replaceAll('\\', '/').split('/').at(-1) ?? file,
    content,
    ...(Object.keys(parts).length === 0 ? {} : { parts }),
    ...(index === undefined ? {} : { index }),
    ...(target === undefined ? {} : { targets: target }),
    ...(sdists === undefined ? {} : { sdists }),
  };
}

const MAX_PARTS = 100;

/** The files below `folder` that `-r` and `-c` lines lead to, by their path from there. What is not there is the server's to complain of. */
async function partsOf(content: string, folder: string): Promise<Record<string, string>> {
  const parts: Record<string, string> = {};
  const queue = referencesIn(content, []);
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    if (Object.hasOwn(parts, path)) continue;
    if (Object.keys(parts).length >= MAX_PARTS) throw new CommandFailure('Too many files refer to each other.', 2);
    const text = await read(join(folder, path));
    parts[path] = text;
    queue.push(...referencesIn(text, path.split('/').slice(0, -1)));
  }
  return parts;
}

function referencesIn(text: string, folder: readonly string[]): string[] {
  return text.split(/\r?\n/).flatMap((line) => {
    const match = /^\s*(?:-r|-c|--requirement|--constraint)(?:\s+|=|(?<=-[rc]))\s*([^\s#]+)/.exec(line);
    const reference = match?.[1];
    if (reference === undefined || /^[a-z][a-z0-9+.-]*:/i.test(reference) || /^[\\/~]/.test(reference)) return [];
    const path = [...folder];
    for (const piece of reference.replaceAll('\\', '/').split('/')) {
      if (piece === '..') {
        if (path.pop() === undefined) return [];
      } else if (piece !== '' && piece !== '.') path.push(piece);
    }
    return [path.join('/')];
  });
}

async function read(file: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    throw new CommandFailure(`${file} cannot be read: ${reason}.`, 2, { cause });
  }
  // PowerShell writes UTF-16.
  const encoding = bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : 'utf-8';
  return new TextDecoder(encoding).decode(bytes);
}
