import { DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely';

export interface BlobTable {
  digest: string;
  size: number;
  stored_at: number;
  doomed_at: number | null;
}

export interface ProjectTable {
  name: string;
  repository: string;
  display_name: string;
  present: number;
  status: string;
  status_reason: string | null;
  status_override: string | null;
  revision: number;
  stored_revision: number;
  changed_at: number;
  etag: string | null;
  serial: number | null;
  checked_at: number | null;
  fresh_until: number | null;
  suspect_since: number | null;
}

export interface FileTable {
  project: string;
  filename: string;
  repository: string;
  version: string;
  digest: string;
  size: number;
  detail: string;
  stored_at: number;
  deleted_at: number | null;
}

export interface CoreMetadataTable {
  project: string;
  filename: string;
  repository: string;
  digest: string;
  size: number;
  source: string;
}

export interface UpstreamPageTable {
  name: string;
  repository: string;
  body: string;
}

export interface UpstreamStateTable {
  repository: string;
  state: string;
  since: number;
  epoch: number;
  last_success_at: number | null;
  last_failure_at: number | null;
  last_error: string | null;
}

/** The tables that `migrations/` makes. */
export interface Tables {
  blob: BlobTable;
  project: ProjectTable;
  file: FileTable;
  core_metadata: CoreMetadataTable;
  upstream_page: UpstreamPageTable;
  upstream_state: UpstreamStateTable;
}

/**
 * Writes and types SQL; runs nothing. A driver takes `toOperationNode()` of a statement and compiles it for its own dialect
 * (ADR 0003), so the dialect named here matters only for `compile()`, which nobody calls on it.
 */
export const sql = new Kysely<Tables>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
});
