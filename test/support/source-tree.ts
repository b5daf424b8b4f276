import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, normalize, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of this repository. */
export const root = fileURLToPath(new URL('../../', import.meta.url));

const SKIPPED = new Set(['node_modules', 'dist', 'data', 'coverage', '.git', '.venv', '__pycache__']);

/** Every file of the repository below `folder` as a path from its root, with `/`, ascending. */
export function filesBelow(folder = ''): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    // Of a second work tree git makes a file that says where the first is.
    if (SKIPPED.has(entry.name)) continue;
    if (entry.isDirectory()) found.push(...filesBelow(path));
    if (entry.isFile()) found.push(path);
  }
  return found.sort();
}

/** A file's text. */
export function textOf(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

export function exists(path: string): boolean {
  return statSync(join(root, path), { throwIfNoEntry: false }) !== undefined;
}

/** One import line. */
export interface Import {
  readonly from: string;
  /** A path from the root for our own files, else the package (`zod`, `@aws-sdk/client-s3`) or `node:…`. */
  readonly to: string;
  readonly kind: 'value' | 'type' | 'dynamic';
}

const IMPORT = /^(?:import|export)\s+(type\s+)?(?:[^;'"]*?\sfrom\s+)?'([^']+)'|\bimport\('([^']+)'\)/gm;

/** The imports of a code file. */
export function importsOf(path: string): Import[] {
  return [...textOf(path).matchAll(IMPORT)].map(([, type, target, dynamic]) => {
    const name = target ?? dynamic ?? '';
    const to = name.startsWith('.')
      ? normalize(join(path, '..', name))
          .split(sep)
          .join('/')
      : packageOf(name);
    return { from: path, to, kind: dynamic !== undefined ? 'dynamic' : type !== undefined ? 'type' : 'value' };
  });
}

function packageOf(name: string): string {
  return name.startsWith('node:')
    ? name
    : name
        .split('/')
        .slice(0, name.startsWith('@') ? 2 : 1)
        .join('/');
}

/** Where `link` in the file `path` leads, as a path from the root. */
export function resolveLink(path: string, link: string): string {
  return relative(root, join(root, path, '..', link))
    .split(sep)
    .join('/');
}
