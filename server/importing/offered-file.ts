import type { Digest } from '../../storage/digest.ts';
import { Problem } from '../problem.ts';
import { PageFormatError } from '../simple/page-format-error.ts';

/** A file that another index offers. */
export interface OfferedFile {
  readonly filename: string;
  readonly url: URL;
  readonly sha256?: Digest;
  /** RFC 3339, when the index tells it. */
  readonly uploadTime?: string;
  /** PEP 592. */
  readonly yanked?: true | string;
}

/** A document of the source. Throws `not-found` and what an upstream throws. */
export type ReadDocument = (url: URL, accept: string) => Promise<{ contentType: string; body: Buffer }>;

/** What `parse` makes of an answer. Throws `not-accepted`: to ask again would help nothing. */
export function readable<T>(source: URL, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof PageFormatError)) throw error;
    throw new Problem('not-accepted', `${source.host} does not answer like an index there: ${reasonOf(error)}.`, {
      cause: error,
    });
  }
}

function reasonOf({ message }: PageFormatError): string {
  return message.replace(/^not a project page: /, '');
}
