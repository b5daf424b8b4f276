import { parse, TomlError } from 'smol-toml';
import { parseCoreMetadata } from '../../model/core-metadata.ts';
import { type ProjectName, projectName } from '../../model/project-name.ts';

/** Files of a source tree that tell what it is. */
export const TOLD_BY = ['pyproject.toml', 'setup.cfg', 'setup.py', 'PKG-INFO'] as const;

type Told = ReadonlyMap<string, string>;

/** The name of the project in a source tree, as far as it is written down; `undefined` where a program would have to be run. */
export function nameIn(told: Told): ProjectName | undefined {
  const info = told.get('PKG-INFO');
  const names = [
    info === undefined ? undefined : parseCoreMetadata(Buffer.from(info)).name,
    inPyproject(told.get('pyproject.toml') ?? ''),
    /^\[metadata\][^[]*?^name\s*=\s*(\S+)\s*$/ms.exec(told.get('setup.cfg') ?? '')?.[1],
    /\bname\s*=\s*["']([A-Za-z0-9._-]+)["']/.exec(told.get('setup.py') ?? '')?.[1],
  ];
  for (const name of names) {
    const project = name === undefined ? undefined : projectName(name);
    if (project !== undefined) return project;
  }
  return undefined;
}

/** Does the build ask version control which version this is (setuptools-scm and its like)? */
export function asksVersionControl(told: Told): boolean {
  const text = ['pyproject.toml', 'setup.cfg', 'setup.py'].map((name) => told.get(name) ?? '').join('\n');
  return /setuptools[-_]scm|hatch[-_]vcs|versioningit|versioneer|dunamai|dynamic[-_]versioning|\bpbr\b|source\s*=\s*["'](?:scm|vcs)["']/.test(
    text,
  );
}

function inPyproject(text: string): string | undefined {
  let document: Record<string, unknown>;
  try {
    document = parse(text);
  } catch (error) {
    if (error instanceof TomlError) return undefined;
    throw error;
  }
  return at(document, ['project', 'name']) ?? at(document, ['tool', 'poetry', 'name']);
}

function at(document: unknown, path: readonly string[]): string | undefined {
  let value = document;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return typeof value === 'string' ? value : undefined;
}
