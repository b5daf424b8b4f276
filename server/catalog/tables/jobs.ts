/** Tables of migration 0006. */
interface JobTable {
  id: string;
  kind: string;
  state: string;
  unique_key: string | null;
  input: string;
  progress: string;
  result: string | null;
  error: string | null;
  position: string | null;
  revision: number;
  by: string;
  address: string | null;
  created_at: number;
  due_at: number;
  started_at: number | null;
  finished_at: number | null;
  attempts: number;
  max_attempts: number;
  cancel_requested: number;
  holder: string | null;
  lease_until: number | null;
  /** Migration 0010. */
  secret: string | null;
}

interface JobItemTable {
  job: string;
  key: string;
  state: string;
  detail: string;
  revision: number;
}

export interface JobTables {
  job: JobTable;
  job_item: JobItemTable;
}
