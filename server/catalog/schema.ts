import { DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely';
import type { AccessTables } from './tables/access.ts';
import type { BundleTables } from './tables/bundles.ts';
import type { CellarTables } from './tables/cellar.ts';
import type { EventTables } from './tables/events.ts';
import type { JobTables } from './tables/jobs.ts';
import type { MigrationTables } from './tables/migrations.ts';
import type { MirroringTables } from './tables/mirroring.ts';
import type { PageRefreshTables } from './tables/page-refreshes.ts';
import type { ProjectTables } from './tables/projects.ts';

/** The tables that `migrations/` makes, described by area in `tables/`. */
export type Tables = ProjectTables &
  EventTables &
  AccessTables &
  BundleTables &
  JobTables &
  MirroringTables &
  CellarTables &
  PageRefreshTables &
  MigrationTables;

/**
 * Writes and types SQL; runs nothing. A driver takes `toOperationNode()` of a statement and compiles it for its own dialect
 * (ADR 0003), so the dialect named here matters only for `compile()`, which nobody calls on it.
 */
export const sql = new Kysely<Tables>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
});
