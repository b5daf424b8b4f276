import { type FileHandle, open } from 'node:fs/promises';
import type { Transferable, Worker } from 'node:worker_threads';
import { startThread } from '../../storage/start-thread.ts';
import type { Logger } from '../log.ts';
import { type ArchiveContents, BEING_READ } from '../model/bundle.ts';
import type { ArchiveCaps } from './archive-error.ts';
import { type ArchiveAnswer, type ArchiveOrder, LATE_BYTES } from './archive-orders.ts';
import { Arrival } from './arrival.ts';
import { type ArchiveKind, archiveKind, isPacked } from './read-archive.ts';

/** Looks into one archive while its file is being written. In the end `finished` or `abandon` is called. */
export interface ArchiveReading {
  /** So many bytes are in the file by now. */
  grown(size: number): void;
  /**
   * The file is complete. Answers what is inside; never rejects. Where the reader had no time for it, or was closed, that is
   * `BEING_READ`: somebody else has to. The file may be renamed or removed meanwhile.
   */
  finished(size: number): Promise<ArchiveContents>;
  /** Much is left to be read: to wait a little for the answer would be in vain. */
  isLate(): boolean;
  /** Nobody wants to know any more. May be called at any time, also when the answer is there. */
  abandon(): void;
}

export interface ArchiveReaderOptions {
  readonly caps: ArchiveCaps;
  /** How long reading may take once the file is complete, waiting for others included; 200 ms more for each megabyte of it. */
  readonly timeoutMs: number;
  readonly log: Logger;
  /** Milliseconds, to see how fast archives come. */
  readonly nowMs: () => number;
}

export interface BeginOptions {
  /** Tells what kind of archive it will be. */
  readonly filename: string;
  /** Somebody will wait for the answer, so reading keeps up with writing as well as it can. */
  readonly isAwaited: boolean;
  /** Bytes that it will have, where that is announced. */
  readonly length?: number | undefined;
}

// Archives that are looked into at once. Those that are still on their way leave room for those that have arrived.
const AT_ONCE = 8;
const GROWING_AT_ONCE = 6;
// Below that, reading begins when all is there: it takes less than the messages would.
const FOLLOW_BYTES = 4 * 1024 * 1024;
// Three times what xz takes.
const MS_PER_BYTE = 200 / 1e6;
const TELL_EVERY_BYTES = 512 * 1024;

const UNKNOWN_KIND: ArchiveContents = {
  distributions: null,
  note: 'unknown: not an archive of a kind that is looked into',
};

interface Job {
  readonly id: number;
  /** Open; the thread's own once the job runs. */
  readonly file: FileHandle;
  readonly archive: ArchiveKind;
  readonly isAwaited: boolean;
  readonly arrival: Arrival;
  size: number;
  /** The size that the thread knows. */
  told: number;
  state: 'growing' | 'finished' | 'settled';
  wasStarted: boolean;
  isLate: boolean;
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

  /** Begins to look into the file at `path`, which is there already, however short. Throws nothing. */
  async begin(path: string, { filename, isAwaited, length }: BeginOptions): Promise<ArchiveReading> {
    const archive = archiveKind(filename);
    if (archive === undefined) return known(UNKNOWN_KIND);
    let file: FileHandle;
    try {
      file = await open(path, 'r');
    } catch (error) {
      return known(this.#unopened(error));
    }
    const job: Job = {
      ...{ id: this.#nextId++, file, archive, isAwaited, arrival: new Arrival(length) },
      ...{ size: 0, told: 0, state: 'growing', wasStarted: false, isLate: false },
      answer: Promise.withResolvers(),
    };
    return {
      grown: (size) => this.#grown(job, size),
      finished: (size) => this.#finished(job, size),
      isLate: () => job.isLate,
      abandon: () => this.#drop(job, unreadable('given up')),
    };
  }

  /** Ends the thread; whatever is under way is answered as `BEING_READ`. */
  async close(): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    this.#worker = undefined;
    for (const job of [...this.#running.values(), ...this.#waiting]) this.#drop(job, BEING_READ);
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
    const mayFollow = this.#isDue(job) && growing < GROWING_AT_ONCE;
    if (mayFollow && this.#running.size < AT_ONCE && this.#waiting.length === 0 && !this.#closed) this.#start(job);
  }

  /** May it be read while it grows? What is packed and comes fast would only come more slowly. */
  #isDue({ archive, isAwaited, arrival, size }: Job): boolean {
    if (archive === 'zip') return false;
    if (isPacked(archive) && !isAwaited) return arrival.mayBeFollowed(size, this.#options.nowMs());
    return size >= FOLLOW_BYTES;
  }

  #finished(job: Job, size: number): Promise<ArchiveContents> {
    if (job.state === 'settled') return job.answer.promise;
    job.size = size;
    job.state = 'finished';
    if (this.#closed) {
      this.#drop(job, BEING_READ);
      return job.answer.promise;
    }
    // A limit on our own work: no business of the program's clock, which a test may hold still.
    const limitMs = this.#options.timeoutMs + size * MS_PER_BYTE;
    job.timer = setTimeout(() => this.#tookTooLong(job, limitMs), limitMs);
    job.timer.unref();
    if (!job.wasStarted && isPacked(job.archive) && size > LATE_BYTES) job.isLate = true;
    if (this.#running.has(job.id)) this.#tell({ kind: 'finished', id: job.id, size });
    else if (this.#running.size < AT_ONCE) this.#start(job);
    else this.#waiting.push(job);
    return job.answer.promise;
  }

  #tookTooLong(job: Job, limitMs: number): void {
    const seconds = Math.round(limitMs / 1000);
    // One that never had its turn is not to blame.
    this.#drop(job, job.wasStarted ? unreadable(`reading took more than ${seconds} s`) : BEING_READ);
  }

  #start(job: Job): void {
    this.#running.set(job.id, job);
    job.told = job.size;
    job.wasStarted = true;
    const { id, file, archive, size, isAwaited, arrival } = job;
    const mayBePutOff = !isAwaited && !arrival.hasComeFar(size);
    const { caps } = this.#options;
    this.#tell({ kind: 'begin', id, file, archive, size, mayBePutOff, caps }, [file]);
    if (job.state === 'finished') this.#tell({ kind: 'finished', id, size });
    this.#worker?.ref();
  }

  /** Answers a job without its outcome. The thread may go on with it until its next step. */
  #drop(job: Job, contents: ArchiveContents): void {
    if (this.#running.has(job.id)) {
      this.#worker?.postMessage({ kind: 'abandon', id: job.id, reason: 'given up' } satisfies ArchiveOrder);
    }
    this.#settle(job, contents);
  }

  #settle(job: Job, contents: ArchiveContents): void {
    if (job.state === 'settled') return;
    job.state = 'settled';
    clearTimeout(job.timer);
    this.#running.delete(job.id);
    const at = this.#waiting.indexOf(job);
    if (at >= 0) this.#waiting.splice(at, 1);
    // It was only read from: there is nothing that could be lost.
    if (!job.wasStarted) job.file.close().catch(() => {});
    job.answer.resolve(contents);
    while (!this.#closed && this.#running.size < AT_ONCE) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#start(next);
    }
    if (this.#running.size === 0) this.#worker?.unref();
  }

  #tell(order: ArchiveOrder, handedOver: readonly Transferable[] = []): void {
    this.#worker ??= this.#hire();
    this.#worker.postMessage(order, handedOver);
  }

  #hire(): Worker {
    const worker = startThread(import.meta.url, 'archive-worker', { maxOldGenerationSizeMb: 256 });
    worker.on('message', (answer: ArchiveAnswer) => this.#answered(answer));
    worker.on('error', (error) => this.#options.log.error({ err: error }, 'the thread that reads archives failed'));
    worker.on('exit', () => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      const failed = unreadable('the reader failed on this or another archive');
      for (const job of [...this.#running.values()]) this.#drop(job, failed);
    });
    return worker;
  }

  #answered(answer: ArchiveAnswer): void {
    const job = this.#running.get(answer.id);
    if (job === undefined) return;
    if ('late' in answer) job.isLate = true;
    else if ('distributions' in answer) this.#settle(job, { distributions: answer.distributions });
    else if ('unreadable' in answer) this.#settle(job, unreadable(answer.unreadable));
    else this.#settle(job, this.#unopened(answer.failed));
  }

  #unopened(detail: unknown): ArchiveContents {
    this.#options.log.error({ detail }, 'an archive could not be read for a reason that is not its own');
    return unreadable('the file could not be read');
  }
}

function known(contents: ArchiveContents): ArchiveReading {
  return { grown: () => {}, finished: () => Promise.resolve(contents), isLate: () => false, abandon: () => {} };
}

function unreadable(reason: string): ArchiveContents {
  return { distributions: null, note: `unreadable: ${reason}` };
}
