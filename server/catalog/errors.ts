/** The database cannot be reached, does not answer in time, or does not work. Trying again later may help. */
export class CatalogUnavailableError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CatalogUnavailableError';
  }
}

/** The database has no room for the write. Nothing was changed; reads go on. */
export class CatalogFullError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CatalogFullError';
  }
}

/** The database refused a statement: a constraint that the script did not provide for, or a fault in the statement. */
export class CatalogQueryError extends Error {
  /** The statement, without its parameters. For the log, never for a caller. */
  readonly sql: string;
  constructor(message: string, sql: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CatalogQueryError';
    this.sql = sql;
  }
}

/**
 * The database cannot be used as it is: wrong credentials, an unknown database, a schema that is newer than this program. The
 * message is a sentence for the person who starts the program, without secrets.
 */
export class CatalogUnusableError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CatalogUnusableError';
  }
}
