import { StorageFullError, StorageUnavailableError } from './errors.ts';

/** The `code` of a system error (`ENOENT`), or `undefined`. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** A file system's error in the store's words: no room is `StorageFullError`, everything else `StorageUnavailableError`. */
export function fileError(doing: string, error: unknown): Error {
  const code = codeOf(error);
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new StorageFullError(`no room left while ${doing}`, { cause: error });
  return new StorageUnavailableError(`${code ?? 'failure'} while ${doing}`, { cause: error });
}
