import type { Selectable } from 'kysely';
import type { Digest } from '../../storage/digest.ts';
import type {
  AppName,
  ArchiveContents,
  BundleFilename,
  BundleVersion,
  BundleVersionText,
  ContainedDistribution,
} from '../model/bundle.ts';
import type { Tables } from './schema.ts';

/** The columns that make a `BundleVersion`. */
export const VERSION_COLUMNS = [
  'app',
  'version',
  'prerelease',
  'filename',
  'digest',
  'size',
  'content_type',
  'created_at',
  'created_by',
  'commit_id',
  'tag',
  'build_url',
  'contents',
  'contents_note',
] as const;

export type VersionRow = Pick<Selectable<Tables['bundle_version']>, (typeof VERSION_COLUMNS)[number]>;

/** A row as the rest of the program knows it. */
export function toBundleVersion(row: VersionRow): BundleVersion {
  return {
    app: row.app as AppName,
    version: row.version as BundleVersionText,
    filename: row.filename as BundleFilename,
    digest: row.digest as Digest,
    size: row.size,
    contentType: row.content_type,
    createdAt: row.created_at,
    createdBy: row.created_by,
    prerelease: row.prerelease === 1,
    contents: toContents(row),
    ...(row.commit_id === null ? {} : { commit: row.commit_id }),
    ...(row.tag === null ? {} : { tag: row.tag }),
    ...(row.build_url === null ? {} : { buildUrl: row.build_url }),
  };
}

/** Contents as columns. */
export function contentColumns(contents: ArchiveContents): { contents: string | null; contents_note: string | null } {
  if (contents.distributions === null) return { contents: null, contents_note: contents.note };
  const rows = contents.distributions.map(({ name, version, path }) => [name, version, path]);
  return { contents: JSON.stringify(rows), contents_note: null };
}

function toContents(row: VersionRow): ArchiveContents {
  if (row.contents === null) return { distributions: null, note: row.contents_note ?? 'unknown' };
  const rows = JSON.parse(row.contents) as [string, string, string][];
  const distributions = rows.map(([name, version, path]): ContainedDistribution => ({ name, version, path }));
  return { distributions };
}
