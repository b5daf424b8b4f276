import { Worker } from 'node:worker_threads';
import type { Logger } from '../log.ts';
import type { ArchiveContents } from '../model/bundle.ts';
import type { ArchiveCaps } from './archive-error.ts';
import type { ArchiveAnswer, ArchiveOrder } from './archive-orders.ts';
import { type ArchiveKind, archiveKind } from './read-archive.ts';

/** Looks into one archive while its file is being written. Of `finished` and `abandon` exactly one is called, in the end. */
export interface ArchiveReading {
  /** So many bytes are in the file by now. */
  grown(size: number): void;
  /** The file is complete. Answers what is inside; never rejects. The file must stay until then. */
  finished(size: number): Promise<ArchiveContents>;
  /** Nobody wants to know any more. */
  abandon(): void;
}

export interface ArchiveReaderOptions {
  readonly caps: ArchiveCaps;
  /** How long reading may take once the file is complete, waiting for others included. */
  readonly timeoutMs: number;
  readonly log: Logger;
}

// Archives that are looked into at once. Those that are still on their way leave room for those that have arrived.
const AT_ONCE = 8;
const GROWING_AT_ONCE = 6;
// Below that, reading begins when all is there: it takes less than the messages would.
const FOLLOW_BYTES = 4 * 1024 * 1024;
const TELL_EVERY_BYTES = 512 * 1024;

const UNKNOWN_KIND: ArchiveContents = {
  distributions: null,
  note: 'unknown: not an archive of a kind that is looked into',
};

interface Job {
  readonly id: number;
  readonly path: string;
  readonly archive: ArchiveKind;
  size: number;
  /** The size that the thread knows. */
  told: number;
  state: 'growing' | 'finished';
  readonly answer: PromiseWithResolvers<ArchiveContents>;
  timer?: NodeJS.Timeout;
}

/** Reads archives in a thread of its own, which starts with the first and is started anew should it ever end. */
export class ArchiveReader {
  readonly #options: ArchiveReaderOptions;
  #worker: Worker | undefined;
  #nextId = 1;
  readonly #running = new Map<number, Job>();
  readonly #waiting: Job[] = [];
  #closed = false;

  constructor(options: ArchiveReaderOptions) {
    this.#options = options;
  }

  /** Begins to look into the file at `path`, which will be an archive named `filename`. Throws nothing. */
  begin(path: string, filename: string): ArchiveReading {
    const archive = archiveKind(filename);
    if (archive === undefined) {
      return { grown: () => {}, finished: () => Promise.resolve(UNKNOWN_KIND), abandon: () => {} };
    }
    const id = this.#nextId++;
    const job: Job = { id, path, archive, size: 0, told: 0, state: 'growing', answer: Promise.withResolvers() };
    return {
      grown: (size) => this.#grown(job, size),
      finished: (size) => this.#finished(job, size),
      abandon: () => this.#drop(job, 'given up'),
    };
  }

  /** Ends the thread; whatever is under way is answered as unreadable. */
  async close(): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    this.#worker = undefined;
    for (const job of [...this.#running.values(), ...this.#waiting]) this.#drop(job, 'the server was stopping');
    await worker?.terminate();
  }

  #grown(job: Job, size: number): void {
    job.size = size;
    if (this.#running.has(job.id)) {
      if (size - job.told < TELL_EVERY_BYTES) return;
      job.told = size;
      this.#tell({ kind: 'grown', id: job.id, size });
      return;
    }
    const growing = [...this.#running.values()].filter((one) => one.state === 'growing').length;
    const mayFollow = job.archive !== 'zip' && size >= FOLLOW_BYTES && growing < GROWING_AT_ONCE;
    if (mayFollow && this.#running.size < AT_ONCE && this.#waiting.length === 0) this.#start(job);
  }

  #finished(job: Job, size: number): Promise<ArchiveContents> {
    job.size = size;
    job.state = 'finished';
    if (this.#closed) {
      this.#drop(job, 'the server was stopping');
      return job.answer.promise;
    }
    const seconds = Math.round(this.#options.timeoutMs / 1000);
    // A limit on our own work: no business of the program's clock, which a test may hold still.
    job.timer = setTimeout(() => this.#drop(job, `reading took more than ${seconds} s`), this.#options.timeoutMs);
    job.timer.unref();
    if (this.#running.has(job.id)) this.#tell({ kind: 'finished', id: job.id, size });
    else if (this.#running.size < AT_ONCE) this.#start(job);
    else this.#waiting.push(job);
    return job.answer.promise;
  }

  #start(job: Job): void {
    this.#running.set(job.id, job);
    job.told = job.size;
    const { caps } = this.#options;
    this.#tell({ kind: 'begin', id: job.id, path: job.path, archive: job.archive, size: job.size, caps });
    if (job.state === 'finished') this.#tell({ kind: 'finished', id: job.id, size: job.size });
    this.#worker?.ref();
  }

  /** Answers a job without its outcome. The thread may go on with it until its next step. */
  #drop(job: Job, reason: string): void {
    if (this.#running.has(job.id))
      this.#worker?.postMessage({ kind: 'abandon', id: job.id, reason } satisfies ArchiveOrder);
    this.#settle(job, { distributions: null, note: `unreadable: ${reason}` });
  }

  #settle(job: Job, contents: ArchiveContents): void {
    clearTimeout(job.timer);
    this.#running.delete(job.id);
    const at = this.#waiting.indexOf(job);
    if (at >= 0) this.#waiting.splice(at, 1);
    job.answer.resolve(contents);
    while (this.#running.size < AT_ONCE) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#start(next);
    }
    if (this.#running.size === 0) this.#worker?.unref();
  }

  #tell(order: ArchiveOrder): void {
    this.#worker ??= this.#hire();
    this.#worker.postMessage(order);
  }

  #hire(): Worker {
    // The compiler rewrites the endings of imports, not of addresses: beside a .ts file stands a .ts file.
    const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./archive-worker.${ending}`, import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: 256 },
    });
    worker.unref();
    worker.on('message', (answer: ArchiveAnswer) => this.#answered(answer));
    worker.on('error', (error) => this.#options.log.error({ err: error }, 'the thread that reads archives failed'));
    worker.on('exit', () => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      for (const job of [...this.#running.values()]) this.#drop(job, 'the reader failed on this or another archive');
    });
    return worker;
  }

  #answered(answer: ArchiveAnswer): void {
    const job = this.#running.get(answer.id);
    if (job === undefined) return;
    if ('distributions' in answer) this.#settle(job, { distributions: answer.distributions });
    else if ('unreadable' in answer)
      this.#settle(job, { distributions: null, note: `unreadable: ${answer.unreadable}` });
    else {
      this.#options.log.error(
        { detail: answer.failed },
        'an archive could not be read for a reason that is not its own',
      );
      this.#settle(job, { distributions: null, note: 'unreadable: the file could not be read' });
    }
  }
}
