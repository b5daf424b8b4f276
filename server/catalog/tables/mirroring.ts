/** Tables of migration 0007. */
interface SourceTable {
  project: string;
  filename: string;
  digest: string;
  size: number;
  requirement: string;
  origin: string;
  stored_at: number;
}

interface KeptLockTable {
  name: string;
  text: string;
  options: string;
  digest: string;
  kept_at: number;
  kept_by: string;
  ready: number;
  ready_since: number;
  checked_at: number;
  missing: string;
  watch_url: string | null;
  watch_every: number | null;
  watched_at: number | null;
}

interface KeptLockFileTable {
  lock: string;
  repository: string;
  project: string;
  filename: string;
}

export interface MirroringTables {
  source: SourceTable;
  kept_lock: KeptLockTable;
  kept_lock_file: KeptLockFileTable;
}
