import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { Catalog } from './catalog.ts';
import { CatalogUnusableError } from './errors.ts';
import { openSqlite } from './sqlite.ts';

/** Where the rows are: the part `catalog` of the config, times in milliseconds. */
export type CatalogConfig =
  | { readonly kind: 'sqlite' }
  | {
      readonly kind: 'postgres';
      readonly url: string;
      readonly password: string | null;
      readonly poolSize: number;
      readonly connectTimeout: number;
      readonly statementTimeout: number;
      readonly tls: 'url' | 'off' | 'require' | 'verify';
      readonly caFile: string | null;
    };

export interface CatalogParts {
  readonly dataDir: string;
  readonly migrationsDir: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** How far the clock may be from the database's, milliseconds; as the engine says when absent. */
  readonly maxClockSkewMs?: number;
}

/**
 * Opens the catalog that the config names, with the schema of this version. The only switch over engines. Throws
 * `CatalogUnusableError` with a sentence for whoever starts the program, `CatalogUnavailableError` when the database does not answer.
 */
export async function openCatalog(config: CatalogConfig, parts: CatalogParts): Promise<Catalog> {
  const { dataDir, ...common } = parts;
  if (config.kind === 'sqlite') return await openSqlite({ path: join(dataDir, 'catalog.sqlite'), ...common });
  const { url, password, poolSize, connectTimeout, statementTimeout, tls, caFile } = config;
  // Whoever stays with SQLite need not load the driver.
  const { openPostgres } = await import('./postgres.ts');
  return await openPostgres({
    ...common,
    url,
    poolSize,
    connectTimeoutMs: connectTimeout,
    statementTimeoutMs: statementTimeout,
    // Nodes and database are often started together.
    patienceMs: 2 * connectTimeout,
    tls,
    ...(password === null ? {} : { password }),
    ...(caFile === null ? {} : { ca: await readAuthority(caFile) }),
  });
}

async function readAuthority(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new CatalogUnusableError(`The file that "catalog.caFile" names cannot be read: ${file}.`, { cause });
  }
}
