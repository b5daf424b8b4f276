import type { BlobStore } from '../../../storage/blob-store.ts';
import type { BlobKeeper } from '../../blob-keeper.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import { findSourcesFor, recordSource, type SourceRecord } from '../../catalog/sources.ts';
import type { Clock } from '../../clock.ts';
import type { Actor } from '../../model/access.ts';
import { parseSdistFilename, parseWheelFilename } from '../../model/filename.ts';
import type { ProjectName } from '../../model/project-name.ts';
import { Problem } from '../../problem.ts';
import { keptOtherwise } from '../kept-sources.ts';
import { type LockEntry, shown } from '../lock.ts';
import { lookInto } from '../look-into.ts';
import type { KeptNow, SourceKeeper } from '../mirror-parts.ts';
import { archiveHashes, archiveKey, gitKey, type SourceOrigin, sourceKey } from '../source-key.ts';
import { fetchArchive } from './fetch-archive.ts';
import type { GitSources } from './git-sources.ts';
import { SharedRuns } from './shared-runs.ts';
import type { SourceWeb } from './source-web.ts';
import { nameIn, TOLD_BY } from './told-by-files.ts';

export interface SourcesParts {
  readonly catalog: Catalog;
  readonly blobs: BlobStore;
  readonly keeper: BlobKeeper;
  readonly clock: Clock;
  readonly web: SourceWeb;
  readonly git: GitSources;
  readonly spoolDir: string;
  /** Of one archive. */
  readonly maxBytes: number;
}

/** The archives of URL and VCS requirements: each fetched once, from allowed hosts, and kept by its sha256. */
export class Sources implements SourceKeeper {
  readonly #parts: SourcesParts;
  readonly #runs = new SharedRuns<KeptNow>();

  constructor(parts: SourcesParts) {
    this.#parts = parts;
  }

  async keep(entry: LockEntry, options: { readonly signal: AbortSignal; readonly actor: Actor }): Promise<KeptNow> {
    const { source } = entry;
    const key = sourceKey(entry);
    if (key === undefined) {
      const why =
        source.kind === 'vcs' && source.system !== 'git'
          ? `${shown(source.system)} repositories cannot be kept: use git, or an archive`
          : 'its address is too long to be kept';
      throw new Problem('not-accepted', `${why}.`);
    }
    return await this.#runs.run(key, options.signal, (signal) =>
      source.kind === 'vcs'
        ? this.#git(entry, key, { ...options, signal })
        : this.#archive(entry, key, { ...options, signal }),
    );
  }

  async #archive(
    entry: LockEntry,
    key: string,
    { signal, actor }: { readonly signal: AbortSignal; readonly actor: Actor },
  ): Promise<KeptNow> {
    const { catalog, keeper, blobs, web, spoolDir, maxBytes } = this.#parts;
    const { source, otherHashes = [] } = entry;
    if (source.kind !== 'archive') throw new Error('this entry has no archive');
    const known = (await this.#known(key)) ?? (await keptOtherwise(catalog, entry));
    if (known !== undefined) return present(known);
    const expected = { sha256: archiveHashes(entry), others: otherHashes };
    const spareBytes = (): Promise<number> => blobs.spareBytes();
    const fetched = await fetchArchive(source.url, expected, { web, spoolDir, maxBytes, spareBytes, signal });
    const { spooled, basename } = fetched;
    const { digest, size } = spooled;
    try {
      const wheel = parseWheelFilename(basename);
      if (wheel !== undefined && entry.project !== undefined && wheel.project !== entry.project)
        throw new Problem(
          'not-accepted',
          `${shown(basename)} is a wheel of ${wheel.project}, and the lock wants ${entry.project}.`,
        );
      await keeper.keep(spooled);
      const archive = { digest, size, filename: basename };
      const project =
        entry.project ?? (wheel ?? parseSdistFilename(basename))?.project ?? (await this.#nameOf(archive));
      const { subdirectory } = source;
      const origin: SourceOrigin = {
        kind: 'archive',
        url: source.url,
        ...(subdirectory === undefined ? {} : { subdirectory }),
        notes: [],
      };
      const record = {
        project,
        filename: filenameFor(project, basename, digest),
        digest,
        size,
        origin: JSON.stringify(origin),
      };
      const keys = [key, archiveKey(project, source.url, undefined), archiveKey(project, source.url, digest)];
      return { record: await this.#record(record, keys, actor), isNew: true, notes: [] };
    } finally {
      await fetched.discard();
    }
  }

  async #git(
    entry: LockEntry,
    key: string,
    { signal, actor }: { readonly signal: AbortSignal; readonly actor: Actor },
  ): Promise<KeptNow> {
    const { keeper, git } = this.#parts;
    const { source, project, version } = entry;
    if (source.kind !== 'vcs') throw new Error('this entry has no repository');
    const { url, ref, commit, subdirectory, atTop } = source;
    const known = await this.#known(key);
    if (known !== undefined && commit !== undefined) return present(known);
    try {
      const packed = await git.pack({ url, ref, commit, subdirectory, atTop, project, version }, signal);
      try {
        const { digest, size } = packed.spooled;
        await keeper.keep(packed.spooled);
        const origin: SourceOrigin = {
          kind: 'git',
          url,
          ...(ref === undefined ? {} : { ref }),
          commit: packed.commit,
          ...(subdirectory === undefined ? {} : { subdirectory }),
          notes: packed.notes,
        };
        const record = {
          project: packed.project,
          filename: packed.filename,
          digest,
          size,
          origin: JSON.stringify(origin),
        };
        const keys = [key, gitKey(packed.project, { url, at: packed.commit, version, subdirectory, atTop })];
        const isNew = known?.digest !== digest;
        return { record: await this.#record(record, keys, actor), isNew, commit: packed.commit, notes: packed.notes };
      } finally {
        await packed.discard();
      }
    } catch (error) {
      const isAway = error instanceof Problem && error.status >= 500;
      if (known === undefined || !isAway || signal.aborted) throw error;
      const kept = present(known);
      return { ...kept, notes: [...kept.notes, `${error.detail} What it led to last is kept.`] };
    }
  }

  async #known(key: string): Promise<SourceRecord | undefined> {
    return (await this.#parts.catalog.read(() => findSourcesFor([key]))).get(key);
  }

  async #nameOf(archive: { digest: SourceRecord['digest']; size: number; filename: string }): Promise<ProjectName> {
    const looked = await lookInto(archive, TOLD_BY, this.#parts);
    const project = looked === undefined ? undefined : nameIn(looked);
    if (project !== undefined) return project;
    throw new Problem(
      'not-accepted',
      `Neither the lock nor ${shown(archive.filename)} tells the name of the project: write NAME @ https://….`,
    );
  }

  /** Under another file name when the project has other bytes of that name. */
  async #record(
    source: Omit<SourceRecord, 'requirement' | 'storedAt'>,
    keys: readonly string[],
    actor: Actor,
  ): Promise<SourceRecord> {
    const { catalog, clock } = this.#parts;
    const now = clock.nowMs();
    const { digest, filename } = source;
    const names = filename.endsWith('.whl') ? [filename] : [filename, `${digest.slice(0, 12)}-${filename}`];
    for (const name of names) {
      const named = { ...source, filename: name };
      if (await catalog.write(() => recordSource(named, [...new Set(keys)], { actor, now })))
        return { ...named, requirement: keys[0] ?? '', storedAt: now };
    }
    throw new Problem('file-exists', `Another ${filename} of ${source.project} is kept already, from another address.`);
  }
}

function present(record: SourceRecord): KeptNow {
  const { notes, commit } = JSON.parse(record.origin) as SourceOrigin;
  return { record, isNew: false, notes, ...(commit === undefined ? {} : { commit }) };
}

/** The name that the address has, when it is one of the project; else one that says what it is. */
function filenameFor(project: ProjectName, basename: string, digest: string): string {
  const parsed = parseWheelFilename(basename) ?? parseSdistFilename(basename);
  if (parsed?.project === project && /^[\w.+!-]{1,150}$/.test(basename)) return basename;
  const suffix = /\.(?:tar\.[a-z0-9]+|[a-z0-9]+)$/i.exec(basename)?.[0] ?? '';
  return `${project.replaceAll('-', '_')}-${digest.slice(0, 12)}${suffix}`;
}
