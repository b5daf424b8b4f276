/** Tables of migration 0007. */
interface SourceTable {
  requirement: string;
  project: string;
  filename: string;
  digest: string;
  size: number;
  origin: string;
  stored_at: number;
}

interface BuildRequirementTable {
  digest: string;
  subdirectory: string;
  requires: string;
}

interface LockTextTable {
  digest: string;
  text: string;
  stored_at: number;
}

interface MirrorJobTable {
  job: string;
  lock: string;
}

export interface KeptLockTable {
  name: string;
  lock: string;
  options: string;
  kept_at: number;
  kept_by: string;
  ready: number;
  ready_since: number;
  checked_at: number;
  missing: string;
  missing_count: number;
  watch_url: string | null;
  watch_every: number | null;
  watched_at: number | null;
  watch_error: string | null;
}

interface KeptLockVersionTable {
  name: string;
  lock: string;
  kept_at: number;
  kept_by: string;
}

interface KeptLockFileTable {
  lock: string;
  repository: string;
  project: string;
  filename: string;
}

export interface MirroringTables {
  source: SourceTable;
  build_requirement: BuildRequirementTable;
  lock_text: LockTextTable;
  mirror_job: MirrorJobTable;
  kept_lock: KeptLockTable;
  kept_lock_version: KeptLockVersionTable;
  kept_lock_file: KeptLockFileTable;
}
