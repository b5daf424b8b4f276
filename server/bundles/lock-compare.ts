import { type Digest, parseDigest } from '../../storage/digest.ts';
import type { ContainedDistribution } from '../model/bundle.ts';
import { projectName } from '../model/project-name.ts';
import { versionKey } from '../model/version.ts';

/** A release that a lock names. */
export interface LockedRelease {
  /** Normalised. */
  readonly name: string;
  /** `null`: whatever is at an address; any version fits. */
  readonly version: string | null;
}

/** Reads the pins of a lock, whatever format; `undefined` when it cannot. `name` is its file name. */
export type LockReader = (name: string, body: string) => readonly LockedRelease[] | undefined;

/** What an archive holds against what its lock says. */
export interface LockComparison {
  /** Vendored, and not in the lock at all. */
  readonly notInLock: readonly LockedRelease[];
  /** In the lock, and not vendored; those whose markers rule them out here included. */
  readonly notInBundle: readonly LockedRelease[];
  readonly differs: readonly { readonly name: string; readonly vendored: string; readonly locked: string }[];
}

// `flask==3.0.0`, `Flask[async] == 3.0.0 ; python_version > "3"`, with or without a continuation and hashes behind.
const PIN = /^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*={2,3}\s*([^\s;#\\,]+)/;
const MAX_HASHES = 100_000;

/** The pins of a file in the style of requirements.txt. Never throws; what is no pin is passed over. */
export function readRequirementPins(_name: string, body: string): readonly LockedRelease[] {
  const pins: LockedRelease[] = [];
  for (const line of body.split('\n')) {
    const [, said = '', version = ''] = PIN.exec(line) ?? [];
    const name = projectName(said);
    if (name !== undefined) pins.push({ name, version });
  }
  return pins;
}

/** Every sha256 that a lock names (`--hash=sha256:…`, `"sha256:…"`, `sha256 = "…"`), bounded. */
export function lockHashes(body: string): readonly Digest[] {
  const found = new Set<Digest>();
  for (const [, hex = ''] of body.matchAll(/sha256["']?\s*[:=]\s*["']?([0-9a-f]{64})(?![0-9a-f])/gi)) {
    const digest = parseDigest(hex);
    if (digest !== undefined) found.add(digest);
    if (found.size >= MAX_HASHES) break;
  }
  return [...found];
}

/** Compares by name and by version in the sense of PEP 440. `own`: normalised name of the application, which no lock names. */
export function compareWithLock(
  distributions: readonly ContainedDistribution[],
  locked: readonly LockedRelease[],
  own: string | undefined,
): LockComparison {
  const inLock = versionsByName(locked);
  const inBundle = versionsByName(distributions);
  const notInLock = flat(inBundle, (name) => !inLock.has(name) && name !== own);
  const notInBundle = flat(inLock, (name) => !inBundle.has(name) && name !== own);
  const differs: { name: string; vendored: string; locked: string }[] = [];
  for (const [name, vendored] of inBundle) {
    const pins = inLock.get(name);
    if (pins === undefined) continue;
    const locked = [...pins].filter((version) => version !== null);
    if (locked.length < pins.size) continue;
    const wanted = new Set(locked.map(versionKey));
    for (const version of vendored) {
      if (version !== null && !wanted.has(versionKey(version))) {
        differs.push({ name, vendored: version, locked: locked.join(', ') });
      }
    }
  }
  return { notInLock, notInBundle, differs };
}

function versionsByName(releases: readonly LockedRelease[]): Map<string, Set<string | null>> {
  const sorted = [...releases].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const sets = new Map<string, Set<string | null>>();
  for (const { name, version } of sorted) sets.set(name, (sets.get(name) ?? new Set()).add(version));
  return sets;
}

function flat(sets: Map<string, Set<string | null>>, isWanted: (name: string) => boolean): readonly LockedRelease[] {
  return [...sets].flatMap(([name, versions]) =>
    isWanted(name) ? [...versions].map((version) => ({ name, version })) : [],
  );
}
