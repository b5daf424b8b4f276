import type { BlobStore } from '../../storage/blob-store.ts';
import type { BlobKeeper } from '../blob-keeper.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { HotReads } from '../catalog/hot-reads.ts';
import { nearReads } from '../catalog/near-reads.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { Downloads } from '../upstream/download.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { FileUses } from './file-uses.ts';
import { FirstMatch, type Source } from './first-match.ts';
import { Hosted } from './hosted.ts';
import { Proxied } from './proxied.ts';
import type { PageTimes } from './refresh-page.ts';
import type { RefreshTurns } from './refresh-turns.ts';

/** A repository as configured: hosted, or with the upstream that stands behind it. */
export type RepositorySetting =
  | { readonly kind: 'hosted' }
  | ({
      readonly kind: 'upstream';
      readonly upstream: Upstream;
      readonly patienceMs: number;
      readonly timeoutMs: number;
    } & PageTimes);

export interface IndexSetting {
  readonly repositories: readonly string[];
  readonly private: readonly string[];
}

export interface BuildParts {
  readonly catalog: Catalog;
  readonly blobs: BlobStore;
  readonly keeper: BlobKeeper;
  readonly downloads: Downloads;
  readonly clock: Clock;
  readonly log: Logger;
  readonly spoolDir: string;
  readonly maxFiles: number;
  /** Absent: the catalog is never away. */
  readonly hot?: HotReads;
  /** Absent: nobody wants to know when files were used last. */
  readonly uses?: Pick<FileUses, 'note'>;
  /** Absent: no other node serves from this catalog. */
  readonly turns?: RefreshTurns;
}

/** Everything that is read from, by name. */
export interface Reading {
  readonly indexes: ReadonlyMap<string, FirstMatch>;
  readonly hosted: ReadonlyMap<string, Hosted>;
  readonly proxied: ReadonlyMap<string, Proxied>;
  stop(): Promise<void>;
}

/** Configuration to the graph of repositories: the whole reading side in one screen. */
export function buildReading(
  settings: {
    readonly repositories: ReadonlyMap<string, RepositorySetting>;
    readonly indexes: ReadonlyMap<string, IndexSetting>;
  },
  parts: BuildParts,
): Reading {
  const { hot = nearReads(parts.catalog), uses = { note: () => {} } } = parts;
  const hosted = new Map<string, Hosted>();
  const proxied = new Map<string, Proxied>();
  for (const [name, setting] of settings.repositories) {
    if (setting.kind === 'hosted') hosted.set(name, new Hosted({ name, ...parts, hot }));
    else proxied.set(name, new Proxied({ ...parts, ...setting, hot, uses }));
  }
  const indexes = new Map<string, FirstMatch>();
  for (const [name, setting] of settings.indexes) {
    const sources = setting.repositories.map((repository): Source => {
      const local = hosted.get(repository);
      if (local !== undefined) return { kind: 'hosted', repository: local };
      const upstream = proxied.get(repository);
      if (upstream === undefined)
        throw new Error(`index ${name} names a repository that is not configured: ${repository}`);
      return { kind: 'upstream', repository: upstream };
    });
    indexes.set(name, new FirstMatch(name, sources, { privatePatterns: setting.private, hot }));
  }
  return {
    indexes,
    hosted,
    proxied,
    stop: async () => {
      await Promise.all([...proxied.values()].map((one) => one.stop()));
    },
  };
}
