/** Tables of migration 0007. */
export type MirroringTables = Record<never, never>;
