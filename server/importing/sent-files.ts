import { createHash } from 'node:crypto';
import { type Digest, parseDigest } from '../../storage/digest.ts';
import { DigestMismatchError, SpoolLimitError } from '../../storage/errors.ts';
import { fillSpool } from '../../storage/fill-spool.ts';
import { Spool } from '../../storage/spool.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { findHostedFile } from '../catalog/hosted.ts';
import { findImportFile, listImportFiles, noteImportFile, settleImportList } from '../catalog/import-files.ts';
import { enqueueUnlessActive } from '../catalog/jobs.ts';
import type { Clock } from '../clock.ts';
import type { Actor } from '../model/access.ts';
import { parseSdistFilename, parseWheelFilename } from '../model/filename.ts';
import type { FilesImport, JobItem } from '../model/job.ts';
import { type ProjectName, projectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import type { PublishArrived } from './import-run.ts';

/** A file that somebody is going to send. */
export interface AnnouncedFile {
  readonly filename: string;
  readonly sha256: Digest;
  /** When the file's name alone does not tell it. */
  readonly project?: string | undefined;
  readonly size?: number | undefined;
  /** RFC 3339. */
  readonly uploadTime?: string | undefined;
}

export interface SentFilesParts {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly publish: PublishArrived;
  readonly spoolDir: string;
  /** Of one file. */
  readonly maxBytes: number;
  /** Bytes that can still be stored. */
  readonly spareBytes: () => Promise<number>;
  /** The job sums up. */
  readonly wake: () => void;
  /** The job has changed. */
  readonly changed: (id: string) => void;
}

/** How long a job waits for the next file before it says that they have not come, milliseconds. */
const PATIENCE_MS = 24 * 60 * 60_000;
const AT_ONCE = 200;

/**
 * Files that somebody sends one by one, with a job that keeps the tally: it knows the whole list from the start, so that who was broken off, on
 * whichever side, sees what is still to be sent.
 */
export class SentFiles {
  readonly #parts: SentFilesParts;

  constructor(parts: SentFilesParts) {
    this.#parts = parts;
  }

  /**
   * Makes the job for a list; of one that waits for just these files answers that one. What is here already is noted as such. Throws
   * `malformed-request` when two files share a name.
   */
  async open(repository: string, files: readonly AnnouncedFile[], actor: Actor): Promise<string> {
    const { catalog, clock, wake, changed } = this.#parts;
    const byName = new Map<string, AnnouncedFile>();
    for (const file of files) {
      const other = byName.get(file.filename);
      if (other !== undefined && other.sha256 !== file.sha256)
        throw new Problem('malformed-request', `Two files of the list have the name ${file.filename}.`);
      byName.set(file.filename, file);
    }
    const list = [...byName.values()].sort((a, b) => (a.filename < b.filename ? -1 : 1));
    const input: FilesImport = { repository, list: digestOf(list) };
    const now = clock.nowMs();
    const dueAt = now + PATIENCE_MS;
    const job = { kind: 'import-files', input, actor, now, dueAt } as const;
    const id = (await catalog.write(() => enqueueUnlessActive(job))) ?? '';
    for (let at = 0; at < list.length; at += AT_ONCE) {
      const items = await this.#looked(repository, list.slice(at, at + AT_ONCE));
      await catalog.write(() => listImportFiles(id, items));
    }
    if (await catalog.write(() => settleImportList(id, { now, patienceUntil: dueAt }))) wake();
    changed(id);
    return id;
  }

  /**
   * Takes one file of the list. `present`: it was here, or has come before. Throws `job-not-found`, `job-over`, `file-not-found` (not on the list),
   * `digest-mismatch`, `payload-too-large`, and 4xx problems of a file that cannot be taken, which are noted as well.
   */
  async receive(
    id: string,
    filename: string,
    { body, length, actor }: { readonly body: AsyncIterable<Buffer>; readonly length: number; readonly actor: Actor },
  ): Promise<'stored' | 'present'> {
    const { catalog, spareBytes } = this.#parts;
    const found = await catalog.read(() => findImportFile(id, filename));
    if (found === undefined)
      throw new Problem('file-not-found', `No job of that id awaits a file ${JSON.stringify(filename.slice(0, 100))}.`);
    const { job, item } = found;
    if (item.state === 'stored' || item.state === 'present') return 'present';
    if (job.state !== 'queued')
      throw new Problem(
        'job-over',
        'The job awaits nothing any more. Begin another import: what is here is not sent again.',
      );
    if (length > (await spareBytes()))
      throw new Problem('storage-full', 'There is no room left for this file; nothing was changed.');
    const { repository } = JSON.parse(job.input) as FilesImport;
    const spool = await Spool.create(this.#parts.spoolDir, { maxBytes: this.#parts.maxBytes });
    try {
      await fillSpool(spool, body);
      const { uploadTime, project } = item.detail;
      const spooled = await spool.finish(parseDigest(String(item.detail.sha256)));
      const outcome = await this.#parts.publish({
        ...{ repository, filename, spooled, actor, project: projectOf(filename, project) },
        ...(typeof uploadTime === 'string' ? { uploadedAt: Date.parse(uploadTime) } : {}),
      });
      const state = outcome === 'published' ? 'stored' : 'present';
      await this.#note(id, { key: filename, state, detail: { ...item.detail, size: spooled.size } });
      return state;
    } catch (error) {
      throw await this.#refused(id, item, error);
    } finally {
      await spool.discard();
    }
  }

  /** What is known without the bytes. */
  async #looked(repository: string, files: readonly AnnouncedFile[]): Promise<readonly JobItem[]> {
    return await this.#parts.catalog.read(function* () {
      const items: JobItem[] = [];
      for (const file of files) {
        const { filename, sha256, size, uploadTime } = file;
        const project = file.project === undefined ? projectIn(filename) : projectName(file.project);
        const detail = Object.fromEntries(
          Object.entries({ name: project ?? file.project, filename, project, sha256, size, uploadTime }).filter(
            ([, value]) => value !== undefined,
          ),
        );
        const here = project === undefined ? undefined : yield* findHostedFile(repository, project, filename);
        if (here !== undefined && here.digest === sha256 && !here.isDeleted)
          items.push({ key: filename, state: 'present', detail });
        else if (here === undefined) items.push({ key: filename, state: 'waiting', detail });
        else {
          const why = here.isDeleted
            ? 'a file of that name was deleted here, and the name stays taken'
            : `it is here with other content (sha256 ${here.digest})`;
          items.push({ key: filename, state: 'failed', detail: { ...detail, why } });
        }
      }
      return items;
    });
  }

  async #note(id: string, item: JobItem): Promise<void> {
    const { catalog, clock, wake, changed } = this.#parts;
    const now = clock.nowMs();
    const noted = await catalog.write(() => noteImportFile(id, item, { now, patienceUntil: now + PATIENCE_MS }));
    if (noted === 'due') wake();
    if (noted !== 'over') changed(id);
  }

  /** What is wrong with the file is noted; what went wrong on the way is not, since it may be sent again. */
  async #refused(id: string, item: JobItem, error: unknown): Promise<unknown> {
    if (error instanceof DigestMismatchError) {
      const sentence = `The bytes have the sha256 ${error.actual}, and the list says ${error.expected}.`;
      return new Problem('digest-mismatch', sentence, { cause: error });
    }
    const problem =
      error instanceof SpoolLimitError
        ? new Problem('payload-too-large', `The file is larger than ${error.maxBytes} bytes.`, { cause: error })
        : error;
    if (!(problem instanceof Problem) || problem.status >= 500 || problem.slug === 'malformed-request') return problem;
    await this.#note(id, { ...item, state: 'failed', detail: { ...item.detail, why: problem.detail } });
    return problem;
  }
}

function digestOf(list: readonly AnnouncedFile[]): string {
  const hash = createHash('sha256');
  for (const { filename, sha256 } of list) hash.update(`${sha256} ${filename}\n`);
  return hash.digest('hex');
}

function projectOf(filename: string, told: unknown): ProjectName {
  const name = typeof told === 'string' ? projectName(told) : projectIn(filename);
  if (name !== undefined) return name;
  throw new Problem('invalid-filename', `${filename} does not tell a project and a version.`);
}

function projectIn(filename: string): ProjectName | undefined {
  const zipped = filename.replace(/\.tgz$/i, '.tar.gz');
  return (parseWheelFilename(filename) ?? parseSdistFilename(zipped))?.project;
}
