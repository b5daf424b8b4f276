import { parse, TomlError } from 'smol-toml';
import type { BlobStore } from '../../storage/blob-store.ts';
import type { Digest } from '../../storage/digest.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { buildKey, findBuildRequirements, rememberBuildRequirements } from '../catalog/sources.ts';
import { lookInto } from './look-into.ts';

/** What is built where no pyproject.toml says it (PEP 517, and pip's own words for it). */
const LEGACY = ['setuptools >= 40.8.0'];
// Ours: a list that is longer is not a list of build requirements.
const MAX_REQUIREMENTS = 200;

/** An archive that is built, and the folder in it. */
export interface Buildable {
  readonly digest: Digest;
  readonly size: number;
  readonly filename: string;
  /** Below the top folder. */
  readonly subdirectory?: string | undefined;
}

/** Tells what stored archives need to be built; each is looked into once. */
export class BuildRequires {
  readonly #parts: { readonly catalog: Catalog; readonly blobs: BlobStore; readonly spoolDir: string };

  /** `spoolDir`: for `.zip` archives on a store that is not a folder. */
  constructor(parts: { readonly catalog: Catalog; readonly blobs: BlobStore; readonly spoolDir: string }) {
    this.#parts = parts;
  }

  /** Dependency specifiers as pyproject.toml has them; `undefined` where that cannot be told. Throws when the bytes cannot be had. */
  async of(archive: Buildable): Promise<readonly string[] | undefined> {
    const { catalog } = this.#parts;
    const { digest, subdirectory = '' } = archive;
    const known = await catalog.read(() => findBuildRequirements([digest]));
    const remembered = known.get(buildKey(digest, subdirectory));
    if (remembered !== undefined) return remembered;
    const prefix = subdirectory === '' ? '' : `${subdirectory.replace(/^(?:\.?\/)+|\/+$/g, '')}/`;
    const path = `${prefix}pyproject.toml`;
    const looked = await lookInto(archive, [path], this.#parts);
    if (looked === undefined) return undefined;
    const requires = requiresOf(looked.get(path));
    if (requires === undefined) return undefined;
    await catalog.write(() => rememberBuildRequirements(digest, subdirectory, requires));
    return requires;
  }
}

/** `build-system.requires` (PEP 518); without a table of that name, what pip takes instead. `undefined`: no TOML, or not a list of texts. */
function requiresOf(pyproject: string | undefined): readonly string[] | undefined {
  if (pyproject === undefined) return LEGACY;
  let document: Record<string, unknown>;
  try {
    document = parse(pyproject.replace(/^\ufeff/, ''), { integersAsBigInt: 'asNeeded' });
  } catch (error) {
    if (error instanceof TomlError) return undefined;
    throw error;
  }
  const system = document['build-system'];
  if (system === undefined) return LEGACY;
  const requires: unknown =
    typeof system === 'object' && system !== null && 'requires' in system ? system.requires : [];
  if (!Array.isArray(requires) || requires.length > MAX_REQUIREMENTS) return undefined;
  return requires.every((each) => typeof each === 'string') ? requires : undefined;
}
