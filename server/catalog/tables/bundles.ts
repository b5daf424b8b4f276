/** Tables of migration 0005. */
interface BundleTable {
  name: string;
  created_at: number;
  keep: number | null;
  keep_per_channel: number | null;
}

interface BundleVersionTable {
  app: string;
  version: string;
  sort_key: string;
  prerelease: number;
  filename: string;
  digest: string;
  size: number;
  content_type: string;
  created_at: number;
  created_by: string;
  commit_id: string | null;
  tag: string | null;
  build_url: string | null;
  contents: string | null;
  contents_note: string | null;
  deleted_at: number | null;
}

interface BundleContentTable {
  app: string;
  version: string;
  name: string;
  version_key: string;
  dist_version: string;
}

interface BundleLockTable {
  app: string;
  version: string;
  name: string;
  digest: string;
  body: string;
}

interface BundleLockHashTable {
  digest: string;
  app: string;
  version: string;
}

interface ChannelTable {
  app: string;
  name: string;
  version: string;
  seq: number;
  moved_at: number;
}

interface ChannelMoveTable {
  app: string;
  channel: string;
  seq: number;
  from_version: string | null;
  to_version: string;
  kind: string;
  by: string;
  at: number;
  why: string | null;
  undone: number;
}

export interface BundleTables {
  bundle: BundleTable;
  bundle_version: BundleVersionTable;
  bundle_content: BundleContentTable;
  bundle_lock: BundleLockTable;
  bundle_lock_hash: BundleLockHashTable;
  channel: ChannelTable;
  channel_move: ChannelMoveTable;
}
