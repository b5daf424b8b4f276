/** Tables of migration 0005. */
export type BundleTables = Record<never, never>;
