import { DatabaseError } from 'pg';
import { CatalogFullError, CatalogQueryError, CatalogUnavailableError, CatalogUnusableError } from './errors.ts';

/** What went wrong between us and the server, before it is put into our words. Never leaves the driver. */
export class PostgresFault extends Error {
  readonly sql: string;
  /** SQLSTATE, when the server said something. */
  readonly code: string | undefined;
  constructor(cause: unknown, sql: string) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = 'PostgresFault';
    this.sql = sql;
    this.code = cause instanceof DatabaseError ? cause.code : undefined;
  }

  /** Another transaction was in the way: serialization failure, deadlock. */
  get isConflict(): boolean {
    return this.code === '40001' || this.code === '40P01';
  }

  /**
   * A key is taken. Of two serializable transactions that add one at the same time the second may be told this instead of a
   * conflict (https://www.postgresql.org/docs/current/transaction-iso.html#XACT-SERIALIZABLE): run again, it sees the other's row.
   */
  get isTaken(): boolean {
    return this.code === '23505';
  }

  /**
   * The connection is of no use any more, or never was: it broke, the server shuts down, starts up, or has become a read-only
   * standby. Another one may do; what ran in a transaction that was not being committed is undone.
   */
  get isLost(): boolean {
    const { code } = this;
    return code === undefined || /^(08|57P0[1-5]|25006|53300)/.test(code) || this.isStale;
  }

  /** The connection prepared a statement before a migration, on another node, changed what it answers. */
  get isStale(): boolean {
    return this.code === '0A000' || this.code === '26000';
  }
}

// Classes of SQLSTATE that tell of the server, not of the statement: https://www.postgresql.org/docs/current/errcodes-appendix.html
const UNAVAILABLE = /^(08|25006|28|3D|40|53|55P03|57|58|XX)/;

/** A fault in the catalog's words. */
export function translate(fault: PostgresFault): Error {
  const { code, sql, message } = fault;
  if (code === '53100') return new CatalogFullError(`The database's disk is full: ${message}`, { cause: fault.cause });
  if (code === undefined || fault.isStale || UNAVAILABLE.test(code)) {
    return new CatalogUnavailableError(`The database does not answer: ${message}`, { cause: fault.cause });
  }
  return new CatalogQueryError(message, sql, { cause: fault.cause });
}

/** What a person should read when the program cannot start on this database; `undefined`: it may be that it starts a moment later. */
export function refusal({ code, cause }: PostgresFault): CatalogUnusableError | undefined {
  const sentence = code === undefined ? connectionSentence(cause) : sqlStateSentence(code);
  return sentence === undefined ? undefined : new CatalogUnusableError(sentence, { cause });
}

function sqlStateSentence(code: string): string | undefined {
  if (code === '28P01')
    return 'The database refuses the user or the password: see "catalog.url" and "catalog.password".';
  if (code.startsWith('28')) return 'The database does not let this user in from here: see its pg_hba.conf.';
  if (code === '3D000') return 'There is no such database: make it with createdb, or see "catalog.url".';
  if (code === '42501') return 'The user may not make tables in the database: it has to own the schema "public".';
  if (code === '25006') return 'The database is a read-only standby: "catalog.url" has to name the primary.';
  return undefined;
}

function connectionSentence(cause: unknown): string | undefined {
  const { code, message } =
    cause instanceof Error ? (cause as NodeJS.ErrnoException) : { code: undefined, message: '' };
  if (message.includes('does not support SSL')) {
    return 'The database does not offer encrypted connections: see "catalog.tls".';
  }
  if (code !== undefined && /^(CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO|ERR_TLS)/.test(code)) {
    return `The certificate of the database is not trusted (${code}): see "catalog.caFile".`;
  }
  if (message.includes('password must be a string')) {
    return 'The database asks for a password: see "catalog.url" and "catalog.password".';
  }
  return undefined;
}
