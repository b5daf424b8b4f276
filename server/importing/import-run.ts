import type { Spooled } from '../../storage/blob-store.ts';
import {
  DigestMismatchError,
  SpoolLimitError,
  StorageFullError,
  StorageUnavailableError,
} from '../../storage/errors.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { CatalogFullError, CatalogUnavailableError } from '../catalog/errors.ts';
import { findHostedFile } from '../catalog/hosted.ts';
import { eachAtOnce } from '../each-at-once.ts';
import type { Logger } from '../log.ts';
import type { Actor } from '../model/access.ts';
import { distributionOf } from '../model/filename.ts';
import type { JobReporter } from '../model/job.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import { fetchOffered } from './fetch-offered.ts';
import { ImportReport, type ImportSummary } from './import-report.ts';
import type { OfferedFile } from './offered-file.ts';
import type { SourceIndex } from './source-index.ts';

/** A file that has arrived from elsewhere. */
interface ArrivedFile {
  readonly repository: string;
  readonly project: ProjectName;
  readonly filename: string;
  readonly spooled: Spooled;
  readonly actor: Actor;
  /** When it was uploaded there, milliseconds. */
  readonly uploadedAt?: number;
  readonly yanked?: true | string;
}

/** Gives it its name here. Throws 4xx problems, and what catalog and store throw. */
export type PublishArrived = (file: ArrivedFile) => Promise<'published' | 'unchanged'>;

export interface ImportRunParts {
  readonly catalog: Catalog;
  readonly log: Logger;
  readonly publish: PublishArrived;
  readonly spoolDir: string;
  /** Of one file. */
  readonly maxBytes: number;
  /** Files that one run fetches at once. */
  readonly atOnce: number;
}

interface Wanted {
  readonly project: ProjectName;
  readonly file: OfferedFile;
}

// A source with more files that fail for now is down, or will be.
const MAX_AGAIN = 1000;

/** Moves an index in. What is here already, byte for byte, is not fetched, so that a run may be broken off and begun again. */
export class ImportRun {
  readonly #parts: ImportRunParts;
  readonly #source: SourceIndex;
  readonly #order: { readonly repository: string; readonly actor: Actor };
  readonly #again: Wanted[] = [];

  constructor(
    parts: ImportRunParts,
    source: SourceIndex,
    order: { readonly repository: string; readonly actor: Actor },
  ) {
    this.#parts = parts;
    this.#source = source;
    this.#order = order;
  }

  /**
   * Each file's outcome is told to `job`; one that fails does not stop the rest. Throws `Problem` when the list of projects cannot be had or the
   * source answers no more, errors of our own catalog and store, and the job's reason when it is told to stop.
   */
  async all(names: readonly ProjectName[], job: JobReporter): Promise<ImportSummary> {
    const cut = (): void => {
      this.#source.close().catch((error: unknown) => this.#parts.log.warn({ err: error }, 'a source was not closed'));
    };
    job.signal.addEventListener('abort', cut, { once: true });
    try {
      job.signal.throwIfAborted();
      const projects = names.length > 0 ? names : await this.#source.projects();
      const report = new ImportReport(job, projects.length);
      await eachAtOnce(this.#wanted(projects, report), this.#parts.atOnce, (wanted) =>
        this.#take(wanted, report, false),
      );
      await eachAtOnce(this.#again.splice(0), this.#parts.atOnce, (wanted) => this.#take(wanted, report, true));
      return report.summary;
    } catch (error) {
      throw job.signal.aborted ? job.signal.reason : error;
    } finally {
      job.signal.removeEventListener('abort', cut);
    }
  }

  /** Files, page by page, as they are asked for: a large index is never in memory as a whole. */
  async *#wanted(projects: readonly ProjectName[], report: ImportReport): AsyncGenerator<Wanted> {
    for (const project of projects) {
      report.signal.throwIfAborted();
      for (const file of await this.#files(project, report)) {
        if (distributionOf(file.filename, project).kind !== 'other') yield { project, file };
      }
      report.projectDone();
    }
  }

  async #files(project: ProjectName, report: ImportReport): Promise<readonly OfferedFile[]> {
    try {
      const files = await this.#source.files(project);
      if (files !== undefined) return files;
      await report.tell({ state: 'failed', name: project, why: 'the source has no page of that project' });
    } catch (error) {
      const why = this.#why(error, project);
      await report.tell({ state: 'failed', name: project, why });
    }
    return [];
  }

  async #take(wanted: Wanted, report: ImportReport, isLast: boolean): Promise<void> {
    const { project, file } = wanted;
    const facts = { name: project, filename: file.filename };
    report.signal.throwIfAborted();
    try {
      await report.tell({ ...facts, ...(await this.#moveIn(wanted, report.signal)) });
    } catch (error) {
      const why = this.#why(error, file.filename);
      const mayPass = error instanceof Problem && error.status >= 500;
      if (mayPass && !isLast && this.#again.length < MAX_AGAIN) this.#again.push(wanted);
      else await report.tell({ ...facts, state: 'failed', why });
    }
  }

  async #moveIn(wanted: Wanted, signal: AbortSignal) {
    const { project, file } = wanted;
    const { catalog, publish } = this.#parts;
    const { repository, actor } = this.#order;
    const { filename, sha256, uploadTime, yanked } = file;
    const here = await catalog.read(() => findHostedFile(repository, project, filename));
    if (here?.isDeleted) {
      throw new Problem('file-exists', `A file ${filename} was deleted here, and its name stays taken.`);
    }
    if (here !== undefined && sha256 !== undefined && here.digest !== sha256) {
      throw new Problem('file-exists', `${filename} is here with other content (sha256 ${here.digest}).`);
    }
    if (here !== undefined && here.digest === sha256) return { state: 'present', sha256 } as const;
    const { spooled, modifiedAt, discard } = await fetchOffered(this.#source, wanted, { ...this.#parts, signal });
    try {
      const uploadedAt = uploadTime === undefined ? plausible(modifiedAt) : Date.parse(uploadTime);
      const outcome = await publish({
        ...{ repository, project, filename, spooled, actor },
        ...(uploadedAt === undefined ? {} : { uploadedAt }),
        ...(yanked === undefined ? {} : { yanked }),
      });
      const state = outcome === 'published' ? 'stored' : 'present';
      return { state, sha256: spooled.digest, size: spooled.size } as const;
    } finally {
      await discard();
    }
  }

  /** The sentence that tells a failure. What ends the whole run is thrown on. */
  #why(error: unknown, what: string): string {
    if (error instanceof Problem) {
      if (error.status < 500) return error.detail;
      if (this.#source.isDown || error.slug === 'storage-full') throw error;
      return error.detail;
    }
    if (error instanceof DigestMismatchError)
      return `it has the sha256 ${error.actual}, and the source promises ${error.expected}`;
    if (error instanceof SpoolLimitError) return `it is larger than ${error.maxBytes} bytes (limits.uploadBytes)`;
    if (OURS.some((kind) => error instanceof kind)) throw error;
    if (!(error instanceof Error) || error.name === 'JobStopped') throw error;
    this.#parts.log.error({ err: error, what }, 'a file could not move in');
    return 'it failed here; the log has more under the id of this job';
  }
}

// Older than any index of packages: what servers say that do not know.
const BEFORE_ALL = Date.UTC(2000);

/** Where the index tells no upload times, the file's own is the best that is known. */
function plausible(modifiedAt: number | undefined): number | undefined {
  return modifiedAt !== undefined && modifiedAt >= BEFORE_ALL ? modifiedAt : undefined;
}

// No fault of the file: the job is tried again.
const OURS = [StorageFullError, StorageUnavailableError, CatalogFullError, CatalogUnavailableError];
