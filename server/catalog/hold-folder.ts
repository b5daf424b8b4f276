import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { CatalogUnusableError } from './errors.ts';

/**
 * Takes a data folder, made if need be, for this process alone, until the returned function is called or the process ends,
 * however it ends: two would sweep each other's spools away. Throws `CatalogUnusableError` with a sentence for whoever starts it.
 */
export async function holdFolder(dataDir: string): Promise<() => void> {
  try {
    await mkdir(dataDir, { recursive: true });
    // SQLite, because Node has no locks of files; nothing is ever written to this one.
    const file = new Database(join(dataDir, 'in-use'), { timeout: 0 });
    try {
      file.exec('BEGIN EXCLUSIVE');
    } catch (error) {
      file.close();
      throw error;
    }
    return () => file.close();
  } catch (cause) {
    if (cause instanceof Database.SqliteError && cause.code.startsWith('SQLITE_BUSY')) {
      const sentence = `Another Stormcellar that runs uses the folder ${dataDir}. Stop it first, or give this one another "dataDir".`;
      throw new CatalogUnusableError(sentence, { cause });
    }
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CatalogUnusableError(`The folder ${dataDir} cannot be used: ${reason}.`, { cause });
  }
}
