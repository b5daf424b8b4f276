import type { Spooled } from '../../storage/blob-store.ts';
import type { Digest } from '../../storage/digest.ts';
import { withSpooled } from '../../storage/with-spooled.ts';
import type { BlobKeeper } from '../blob-keeper.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { findHostedFile } from '../catalog/hosted.ts';
import { type NewHostedFile, publishFile, sameOrRefused } from '../catalog/publish.ts';
import type { Clock } from '../clock.ts';
import type { Actor } from '../model/access.ts';
import type { CoreMetadata } from '../model/core-metadata.ts';
import type { DistributionFile } from '../model/distribution-file.ts';
import { distributionOf } from '../model/filename.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import { checkArchive } from './check-archive.ts';
import { type Claims, checkDigests, checkForm, type FormFields } from './check-form.ts';
import { checkMetadata } from './check-metadata.ts';
import { DEFAULT_RULES, type UploadRules } from './upload-rules.ts';

/** An upload whose body has arrived. */
export interface Upload {
  /** The hosted repository it goes to. */
  readonly repository: string;
  readonly claims: Claims;
  readonly fields: FormFields;
  /** The file. Taken when it is published; else the caller removes it. */
  readonly spooled: Spooled;
  /** Of the same bytes, those that the form announces. */
  readonly hashes: Readonly<Partial<Record<'md5' | 'blake2b-256', string>>>;
  readonly actor: Actor;
  /** When it was uploaded elsewhere, milliseconds: of a file that moves in. */
  readonly uploadedAt?: number;
  /** It was yanked elsewhere (PEP 592). */
  readonly yanked?: true | string;
}

/** A file that moves in from elsewhere: no form, no client. */
export type NamedUpload = Pick<Upload, 'repository' | 'spooled' | 'actor' | 'uploadedAt' | 'yanked'> & {
  readonly project: ProjectName;
  readonly filename: string;
};

/** Publishing distribution files: the one way by which they come into a hosted repository. */
export class Uploads {
  readonly #catalog: Catalog;
  readonly #keeper: BlobKeeper;
  readonly #clock: Clock;
  readonly #spoolDir: string;
  readonly #rules: UploadRules;

  /** `spoolDir` is for core metadata on their way into the store. */
  constructor(parts: {
    readonly catalog: Catalog;
    readonly keeper: BlobKeeper;
    readonly clock: Clock;
    readonly spoolDir: string;
    readonly rules?: Partial<UploadRules>;
  }) {
    this.#catalog = parts.catalog;
    this.#keeper = parts.keeper;
    this.#clock = parts.clock;
    this.#spoolDir = parts.spoolDir;
    this.#rules = { ...DEFAULT_RULES, ...parts.rules };
  }

  /**
   * What form and file name claim, checked as far as can be without the file: so that the right to upload to just this project
   * can be asked for next. Throws 4xx problems.
   */
  claims(fields: FormFields, filename: string): Claims {
    return checkForm(fields, filename, this.#rules);
  }

  /**
   * Checks the file and publishes it: when this resolves with `published`, it is durable and on the project's page.
   * `unchanged`: it was there already, byte for byte, and is so again should the store have lost it. The bytes are kept before the one transaction that names them, so a
   * crash at any instant leaves the whole file or none. Throws 4xx problems, `StorageFullError` and what catalog and store throw; then
   * nothing has changed.
   */
  async publish(upload: Upload): Promise<'published' | 'unchanged'> {
    const { repository, claims, spooled } = upload;
    checkDigests(upload.fields, spooled, upload.hashes);
    // Looked at again in the transaction; here it saves reading and keeping an archive that will be refused.
    const existing = await this.#catalog.read(() => findHostedFile(repository, claims.project, claims.filename));
    if (existing !== undefined) {
      const outcome = sameOrRefused(existing, spooled.digest, claims.filename);
      await this.#mend(upload);
      return outcome;
    }
    const bytes = await checkArchive(spooled.path, claims, this.#rules);
    const metadata = checkMetadata(bytes, claims, this.#rules);
    const metadataDigest = await this.#keep(spooled, bytes);
    const nowMs = this.#clock.nowMs();
    const file: NewHostedFile = {
      repository,
      project: claims.project,
      displayName: metadata.name ?? claims.project,
      version: claims.version,
      digest: spooled.digest,
      size: spooled.size,
      detail: detailOf(claims, {
        spooled,
        metadata,
        metadataDigest,
        // What clocks elsewhere said does not reach into the future.
        uploadedAt: Math.min(upload.uploadedAt ?? nowMs, nowMs),
        yanked: upload.yanked,
      }),
      metadata: { digest: metadataDigest, size: bytes.length },
      actor: upload.actor,
    };
    return await this.#catalog.write(() => publishFile(file, nowMs));
  }

  /** The same for a file that moves in: what a form would say, its name says. */
  async publishNamed({ project, filename, ...upload }: NamedUpload): Promise<'published' | 'unchanged'> {
    const { kind, version = '0' } = distributionOf(filename, project);
    const fields = new Map([
      ['name', [project]],
      ['version', [version]],
      ['filetype', [kind === 'wheel' ? 'bdist_wheel' : 'sdist']],
    ]);
    const claims = this.claims(fields, filename);
    return await this.publish({ ...upload, claims, fields, hashes: {} });
  }

  /** Should the store have lost the file or let it rot, these are the very bytes: who runs CI once more mends it. */
  async #mend({ spooled, claims }: Upload): Promise<void> {
    let metadata: Buffer | undefined;
    try {
      metadata = await checkArchive(spooled.path, claims, this.#rules);
    } catch (error) {
      // Taken under other rules than today's, and not to be refused afterwards.
      if (!(error instanceof Problem)) throw error;
    }
    if (metadata === undefined) await this.#keeper.keep(spooled);
    else await this.#keep(spooled, metadata);
  }

  /** Keeps the file, and its metadata beside it; answers the digest of these. */
  async #keep(spooled: Spooled, metadata: Buffer): Promise<Digest> {
    return await withSpooled(this.#spoolDir, metadata, async (beside) => {
      await this.#keeper.keep(beside, spooled);
      return beside.digest;
    });
  }
}

/** The file as its page lists it; everything but its name comes from the bytes. */
function detailOf(
  claims: Claims,
  facts: {
    readonly spooled: Spooled;
    readonly metadata: CoreMetadata;
    readonly metadataDigest: string;
    /** Milliseconds. */
    readonly uploadedAt: number;
    readonly yanked: true | string | undefined;
  },
): DistributionFile {
  const { yanked, metadata } = facts;
  const { requiresPython } = metadata;
  return {
    filename: claims.filename,
    hashes: { sha256: facts.spooled.digest },
    ...(requiresPython === undefined ? {} : { requiresPython: requiresPython.replace(/\s+/g, ' ') }),
    size: facts.spooled.size,
    uploadTime: new Date(facts.uploadedAt).toISOString(),
    ...(yanked === undefined ? {} : { yanked }),
    // Of an sdist the metadata may change when it is built (PEP 643), so installers must not take them from here.
    ...(claims.kind === 'wheel' ? { coreMetadata: { sha256: facts.metadataDigest } } : {}),
  };
}
