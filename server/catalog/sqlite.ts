import { mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { type SelectModifierNode, SqliteQueryCompiler } from 'kysely';
import { type Clock, systemClock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { Catalog, Outcome, Query, Script } from './catalog.ts';
import { ScriptCompiler } from './compile.ts';
import { CatalogFullError, CatalogQueryError, CatalogUnavailableError, CatalogUnusableError } from './errors.ts';
import { migrate, readMigrations } from './migrate.ts';
import { openWalSync, type WalSync } from './wal-sync.ts';

export interface SqliteOptions {
  /** The database's file, made when it is missing; or `':memory:'`. On a local disk: WAL does not work over a network. */
  readonly path: string;
  /** The folder `migrations/`. */
  readonly migrationsDir: string;
  readonly clock?: Clock;
  readonly log?: Logger;
}

/** Opens, and brings up to date, a catalog on SQLite. Throws `CatalogUnusableError`, `CatalogUnavailableError`. */
export async function openSqlite(options: SqliteOptions): Promise<Catalog> {
  const { path, migrationsDir, clock = systemClock, log } = options;
  const migrations = await readMigrations(migrationsDir);
  const inMemory = path === ':memory:';
  const file = inMemory ? path : resolve(path);
  const database = open(file, log);
  try {
    const catalog = new SqliteCatalog(database);
    const applied = catalog.runWrite(() => migrate(migrations, { now: clock.nowMs(), phrase: (ddl) => ddl }));
    if (applied.length > 0) log?.info({ migrations: applied }, 'the catalog has the schema of this version now');
    if (!inMemory) catalog.syncWith(await openWalSync(`${file}-wal`));
    return catalog;
  } catch (error) {
    database.close();
    throw error;
  }
}

function open(file: string, log: Logger | undefined): Database.Database {
  try {
    if (file !== ':memory:') mkdirSync(dirname(file), { recursive: true });
    try {
      return prepared(file, 'NORMAL');
    } catch (error) {
      if (!(error instanceof Database.SqliteError && error.code === 'SQLITE_IOERR_SHMSIZE')) throw error;
      // The index of the log has no room beside it: then it is kept in memory, and what is here can be read.
      const database = prepared(file, 'EXCLUSIVE');
      log?.warn('the disk is full: the catalog is read, and until the next start no other program can open it');
      return database;
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CatalogUnusableError(`The catalog ${file} cannot be opened: ${reason}.`, { cause });
  }
}

/** `locking`: `EXCLUSIVE` keeps other processes out, and needs no memory that is shared with them. */
function prepared(file: string, locking: 'NORMAL' | 'EXCLUSIVE'): Database.Database {
  const database = new Database(file, { timeout: 5000 });
  try {
    database.pragma(`locking_mode = ${locking}`);
    const mode = database.pragma('journal_mode = WAL', { simple: true });
    if (mode !== 'wal' && mode !== 'memory') throw new Error(`write-ahead logging is not possible (${String(mode)})`);
    // Every committed transaction is synced by us before it is acknowledged, off the event loop (wal-sync.ts); SQLite itself
    // syncs around checkpoints, which is what NORMAL means in WAL mode.
    database.pragma('synchronous = NORMAL');
    database.pragma('foreign_keys = OFF');
    // So that LIKE means the same as on PostgreSQL, and can use an index.
    database.pragma('case_sensitive_like = ON');
    // A password that a job needed goes with it: what is deleted is overwritten where its page is written anyway.
    database.pragma('secure_delete = FAST');
    database.pragma('temp_store = MEMORY');
    database.pragma('cache_size = -16384');
    database.pragma(`journal_size_limit = ${64 * 1024 * 1024}`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

const ROW_LOCKS: ReadonlySet<string> = new Set(['ForUpdate', 'ForShare', 'SkipLocked']);

/** SQLite runs one transaction at a time, so a row lock has nothing to say here. */
class UnlockedCompiler extends SqliteQueryCompiler {
  protected override visitSelectModifier(node: SelectModifierNode): void {
    if (!ROW_LOCKS.has(node.modifier ?? '')) super.visitSelectModifier(node);
  }
}

const KEPT_STATEMENTS = 500;

/**
 * Runs scripts synchronously: from its first query to its last nothing else of this process runs, so within one process a read
 * script sees one state too. The event loop stands still meanwhile; scripts that walk long lists take them in pages.
 */
class SqliteCatalog implements Catalog {
  readonly #database: Database.Database;
  readonly #compiler = new ScriptCompiler(new UnlockedCompiler());
  /** By text, least recently used first. */
  readonly #statements = new Map<string, Database.Statement>();
  /** Statements that may have changed something. */
  #changes = 0;
  #sync: WalSync | undefined;
  #closing: Promise<void> | undefined;

  constructor(database: Database.Database) {
    this.#database = database;
  }

  /** From now on `write` resolves only once its bytes are on disk. */
  syncWith(sync: WalSync): void {
    this.#sync = sync;
  }

  get version(): number {
    return this.#changes;
  }

  async read<T>(script: () => Script<T>): Promise<T> {
    this.#checkOpen();
    return this.#drive(script, 'read');
  }

  async write<T>(script: () => Script<T>): Promise<T> {
    const before = this.#changes;
    const result = this.runWrite(script);
    if (this.#sync !== undefined && this.#changes !== before) {
      try {
        await this.#sync.flush();
      } catch (error) {
        throw translate(error, 'COMMIT');
      }
    }
    return result;
  }

  runWrite<T>(script: () => Script<T>): T {
    this.#checkOpen();
    this.#execute('BEGIN IMMEDIATE');
    try {
      const result = this.#drive(script, 'write');
      this.#execute('COMMIT');
      return result;
    } catch (error) {
      // SQLite has rolled back by itself after some errors, a full disk among them.
      if (this.#database.inTransaction) this.#execute('ROLLBACK');
      throw error;
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#sync?.close();
    this.#statements.clear();
    this.#database.close();
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new CatalogUnavailableError('The catalog is closed');
  }

  #drive<T>(script: () => Script<T>, mode: 'read' | 'write'): T {
    const steps = script();
    let step = steps.next();
    while (step.done !== true) step = steps.next(this.#run(step.value, mode));
    return step.value;
  }

  #run(query: Query, mode: 'read' | 'write'): Outcome {
    const { sql, parameters, writes } = this.#compiler.compile(query);
    if (writes && mode === 'read') throw new CatalogQueryError('a script that only reads tried to write', sql);
    if (writes) this.#changes += 1;
    try {
      const statement = this.#prepare(sql);
      if (statement.reader) {
        const rows = statement.all(...parameters);
        return { rows, changes: writes ? rows.length : 0 };
      }
      return { rows: [], changes: statement.run(...parameters).changes };
    } catch (error) {
      throw translate(error, sql);
    }
  }

  #execute(sql: string): void {
    try {
      this.#prepare(sql).run();
    } catch (error) {
      throw translate(error, sql);
    }
  }

  #prepare(sql: string): Database.Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      if (this.#statements.size >= KEPT_STATEMENTS) {
        for (const [oldest] of this.#statements) {
          this.#statements.delete(oldest);
          break;
        }
      }
    } else {
      this.#statements.delete(sql);
    }
    this.#statements.set(sql, statement);
    return statement;
  }
}

// Result codes that tell of the database or the machine, not of the statement: https://www.sqlite.org/rescode.html
const UNAVAILABLE = /^SQLITE_(BUSY|LOCKED|IOERR|CORRUPT|NOTADB|CANTOPEN|READONLY|NOMEM|PROTOCOL|PERM|AUTH)/;

function translate(cause: unknown, sql: string): Error {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const message = cause instanceof Error ? cause.message : String(cause);
  if (code === 'SQLITE_FULL' || code === 'ENOSPC' || code === 'EDQUOT') {
    return new CatalogFullError(`The catalog's disk is full: ${message}`, { cause });
  }
  if (UNAVAILABLE.test(code) || (code !== '' && !code.startsWith('SQLITE_'))) {
    return new CatalogUnavailableError(`The catalog does not work: ${message}`, { cause });
  }
  return new CatalogQueryError(message, sql, { cause });
}
