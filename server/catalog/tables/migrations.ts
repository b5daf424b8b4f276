/** The table in which `migrate.ts` keeps account of itself; the only one that no migration makes. */
interface SchemaMigrationTable {
  number: number;
  name: string;
  checksum: string;
  applied_at: number;
}

export interface MigrationTables {
  schema_migration: SchemaMigrationTable;
}
