/** Tables of migration 0004. */
export type AccessTables = Record<never, never>;
