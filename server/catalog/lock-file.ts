import Database from 'better-sqlite3';

/**
 * Takes the file at `path`, made if need be, for this process alone, until the returned function is called or the process ends, however
 * it ends. `undefined`: another has it.
 */
export function lockFile(path: string): (() => void) | undefined {
  // SQLite, because Node has no locks of files; nothing is ever written to this one.
  const file = new Database(path, { timeout: 0 });
  try {
    // A journal of its own would need room on a disk that may be full.
    file.pragma('journal_mode = MEMORY');
    file.exec('BEGIN EXCLUSIVE');
    return () => file.close();
  } catch (error) {
    file.close();
    if (error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY')) return undefined;
    throw error;
  }
}
