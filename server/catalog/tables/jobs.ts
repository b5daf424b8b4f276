/** Tables of migration 0006. */
export type JobTables = Record<never, never>;
