/** Tables of migrations 0001 and 0002, with a column of 0011. */
interface BlobTable {
  digest: string;
  size: number;
  stored_at: number;
  doomed_at: number | null;
}

interface ProjectTable {
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

interface FileTable {
  project: string;
  filename: string;
  repository: string;
  version: string;
  digest: string;
  size: number;
  detail: string;
  stored_at: number;
  deleted_at: number | null;
  used_at: number | null;
}

interface CoreMetadataTable {
  project: string;
  filename: string;
  repository: string;
  digest: string;
  size: number;
  source: string;
}

interface UpstreamPageTable {
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

export interface ProjectTables {
  blob: BlobTable;
  project: ProjectTable;
  file: FileTable;
  core_metadata: CoreMetadataTable;
  upstream_page: UpstreamPageTable;
  upstream_state: UpstreamStateTable;
}
