import { createHash } from 'node:crypto';
import type { StorageUnavailableError } from '../../storage/errors.ts';
import type { StoredFile, StoredMetadata } from '../catalog/stored-files.ts';
import type { ProjectName } from '../model/project-name.ts';
import type { KnownFile } from './known-page.ts';
import { addressOf, askMetadata, type PullParts } from './pull-file.ts';
import type { FileBody, Origin } from './repository.ts';
import { bytesBody } from './stored-file.ts';

const PAST_STORE: Origin = { outcome: 'miss', detail: 'storage-down' };

/**
 * Gives stored files past a store that does not answer: from upstream, when that still lists the same bytes, without keeping them anew.
 * What cannot be had there either stays what it was: a store that does not answer, never a file that is not there.
 */
export class PastStore {
  readonly #parts: PullParts;
  readonly #listed: (name: ProjectName, filename: string) => Promise<KnownFile | undefined>;

  /** `listed`: the file as upstream's page lists it. */
  constructor(parts: PullParts, listed: (name: ProjectName, filename: string) => Promise<KnownFile | undefined>) {
    this.#parts = parts;
    this.#listed = listed;
  }

  /** The body of a file. Throws `away` when upstream does not have it. */
  file(name: ProjectName, stored: StoredFile, away: StorageUnavailableError): Promise<FileBody> {
    const { filename, digest, size } = stored;
    return this.#instead({ name, filename, away }, async (file) => {
      const { downloads, upstream } = this.#parts;
      const growing = await downloads.fetch({
        upstream,
        target: { project: name, filename, url: addressOf(file), sha256: digest },
        expected: { sha256: digest, size },
      });
      return { size, origin: PAST_STORE, send: (range, out) => growing.send(range, out), close: () => growing.close() };
    });
  }

  /** The body of the core metadata of `filename`. Throws `away` when upstream does not have them. */
  metadata(
    name: ProjectName,
    filename: string,
    { kept, away }: { readonly kept: StoredMetadata; readonly away: StorageUnavailableError },
  ): Promise<FileBody> {
    return this.#instead({ name, filename, away }, async (file) => {
      const body = await askMetadata(this.#parts.upstream, { project: name, file, sha256: kept.digest });
      const digest = createHash('sha256').update(body).digest('hex');
      return digest === kept.digest ? { ...bytesBody(body), origin: PAST_STORE } : undefined;
    });
  }

  async #instead(
    asked: { readonly name: ProjectName; readonly filename: string; readonly away: StorageUnavailableError },
    body: (file: KnownFile) => Promise<FileBody | undefined>,
  ): Promise<FileBody> {
    const { name, filename, away } = asked;
    const { log, upstream } = this.#parts;
    try {
      const file = await this.#listed(name, filename);
      const found = file === undefined ? undefined : await body(file);
      if (found !== undefined) return found;
    } catch (error) {
      log.warn({ upstream: upstream.name, file: filename, err: error }, 'nor can upstream give what is stored');
    }
    throw away;
  }
}
