import type { BlobStore } from '../../storage/blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { findSource } from '../catalog/sources.ts';
import { contentTypeOf } from '../model/filename.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import type { ServedFile } from '../repository/repository.ts';
import { storedFile } from '../repository/stored-file.ts';

/** Hands out the archives that are kept for URL and VCS requirements. */
export class SourceShelf {
  readonly #catalog: Catalog;
  readonly #blobs: BlobStore;

  constructor(parts: { readonly catalog: Catalog; readonly blobs: BlobStore }) {
    this.#catalog = parts.catalog;
    this.#blobs = parts.blobs;
  }

  /** Throws `source-not-found`. */
  async file(project: ProjectName, filename: string): Promise<ServedFile> {
    const source = await this.#catalog.read(() => findSource(project, filename));
    if (source === undefined)
      throw new Problem('source-not-found', `No archive ${filename} of ${project} is kept here.`);
    return storedFile(this.#blobs, {
      filename,
      contentType: contentTypeOf(filename),
      digest: source.digest,
      size: source.size,
      modifiedAt: source.storedAt,
      origin: { outcome: 'hit', detail: 'source' },
      whenLost: async () => {
        throw new Problem('storage-unavailable', `The bytes of ${filename} cannot be read at the moment.`, {
          retryAfter: 30,
        });
      },
    });
  }
}
