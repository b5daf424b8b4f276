import { SpoolLimitError, StorageFullError, StorageUnavailableError } from '../storage/errors.ts';
import { CatalogFullError, CatalogUnavailableError } from './catalog/errors.ts';
import { Problem } from './problem.ts';

// Long enough for a restart of a database or a store, short enough for a person who waits.
const RETRY_SECONDS = 5;

/** What a caller may be told of anything that was thrown. The cause stays attached, for the log. Never throws. */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  if (thrown instanceof StorageFullError || thrown instanceof CatalogFullError) {
    return new Problem('storage-full', 'There is no room left for this; nothing was changed.', { cause: thrown });
  }
  if (thrown instanceof StorageUnavailableError) {
    const sentence = 'The storage does not answer at the moment; nothing was changed.';
    return new Problem('storage-unavailable', sentence, { retryAfter: RETRY_SECONDS, cause: thrown });
  }
  if (thrown instanceof CatalogUnavailableError) {
    const sentence = 'The catalog does not answer at the moment; nothing was changed.';
    return new Problem('catalog-unavailable', sentence, { retryAfter: RETRY_SECONDS, cause: thrown });
  }
  if (thrown instanceof SpoolLimitError) {
    return new Problem('payload-too-large', `The body is larger than the limit of ${thrown.maxBytes} bytes.`, {
      cause: thrown,
    });
  }
  return (
    faultOfRequest(thrown) ??
    new Problem('internal', 'Something went wrong here; the log tells more.', { cause: thrown })
  );
}

/** Express and its body parsers throw http-errors, whose texts may show what was sent: only their kind is passed on. */
function faultOfRequest(thrown: unknown): Problem | undefined {
  if (!(thrown instanceof Error) || !('status' in thrown) || typeof thrown.status !== 'number') return undefined;
  const { status } = thrown;
  if (status === 413)
    return new Problem('payload-too-large', 'The body is larger than allowed here.', { cause: thrown });
  if (status === 415) {
    return new Problem('malformed-request', 'The body is encoded in a way that is not understood here.', {
      cause: thrown,
    });
  }
  const isBody = 'type' in thrown && String(thrown.type).startsWith('entity.');
  if (isBody) return new Problem('malformed-request', 'The body is not valid JSON.', { cause: thrown });
  if (status >= 400 && status < 500) {
    return new Problem('malformed-request', 'The address or the headers of the request are malformed.', {
      cause: thrown,
    });
  }
  return undefined;
}
