import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import type { TakesFiles } from './durable-folder.ts';
import { SpoolGoneError } from './errors.ts';
import type { ExtraHash } from './spool-hashes.ts';
import type { FileHashes, SpoolAnswer, SpoolOrder } from './spool-orders.ts';
import { startThread } from './start-thread.ts';

type Answered = Exclude<SpoolAnswer, { failed: unknown }>;

/** A system error of the thread, with its code. */
class ThreadError extends Error {
  readonly code: string | undefined;
  constructor({ code, message }: { readonly code: string | undefined; readonly message: string }) {
    super(message);
    this.name = 'ThreadError';
    this.code = code;
  }
}

/** One large spool, written and hashed in the thread. Calls are carried out in order, and the next may be made before the last has settled; after a failure only `abandon` is left. */
export interface ThreadedWriter {
  /** Writes `bytes`, which are in shared memory and stay as they are until it settles. Throws the system's error. */
  append(bytes: Uint8Array, position: number): Promise<void>;
  /** The hashes of everything. The thread knows nothing of the spool any more. */
  finish(): Promise<FileHashes>;
  /** Nothing more will come. The descriptor may be closed once no call is under way. */
  abandon(): void;
}

/** Hashes of one large spool, computed in a thread. Calls are carried out in order, and the next may be made before the last has settled; after a failure only `abandon` is left. */
export interface ThreadedHashes {
  /** `bytes` are in shared memory and stay as they are until it settles. */
  update(bytes: Uint8Array): Promise<void>;
  /** Lower-case hex. The thread knows nothing of the spool any more. */
  finish(): Promise<FileHashes['extra']>;
  /** Nothing more will come. */
  abandon(): void;
}

/**
 * A thread in which large files are hashed and written, and all of them get their final names, so that the event loop does none of it: the
 * first two take it a millisecond for each megabyte, the last thirty calls of the system, each handed to some thread by itself.
 * It starts when it is first needed and is started anew should it ever end.
 */
export class SpoolThread {
  #worker: Worker | undefined;
  #nextId = 1;
  /** By spool, in the order in which they will be answered. */
  readonly #waiting = new Map<number, PromiseWithResolvers<Answered>[]>();
  #hasAnswered = false;

  /** It has started: what it is told now waits for what it was told before, and for no more. */
  get isRunning(): boolean {
    return this.#hasAnswered;
  }

  /** Takes over the file of descriptor `fd`, which has `size` bytes already. Throws the system's error. */
  async begin(fd: number, size: number, extra: readonly ExtraHash[]): Promise<ThreadedWriter> {
    const id = this.#nextId++;
    await this.#ask({ kind: 'begin', id, fd, size, extra, task: 'write' });
    return {
      append: async (bytes, position) => {
        await this.#ask({ kind: 'append', id, bytes, position });
      },
      finish: async () => hashesOf(await this.#ask({ kind: 'finish', id })),
      abandon: () => this.#worker?.postMessage({ kind: 'abandon', id } satisfies SpoolOrder),
    };
  }

  /** Computes hashes of the same bytes, which another thread writes: `size` of them are in the file of descriptor `fd` already. Throws the system's error. */
  async hash(fd: number, size: number, extra: readonly ExtraHash[]): Promise<ThreadedHashes> {
    const id = this.#nextId++;
    await this.#ask({ kind: 'begin', id, fd, size, extra, task: 'extra' });
    return {
      update: async (bytes) => {
        await this.#ask({ kind: 'append', id, bytes, position: 0 });
      },
      finish: async () => {
        const answer = await this.#ask({ kind: 'finish', id });
        if ('extra' in answer) return answer.extra;
        throw new TypeError('the thread that hashes spools answered something else');
      },
      abandon: () => this.#worker?.postMessage({ kind: 'abandon', id } satisfies SpoolOrder),
    };
  }

  /** Writes a new file and makes it durable; its folder too, if need be. Throws the system's error. */
  async write(path: string, bytes: Uint8Array): Promise<FileHashes> {
    return hashesOf(await this.#ask({ kind: 'write', id: this.#nextId++, path, bytes }));
  }

  /** The folder of a store below `root`, whose files get their names in the thread. */
  folder(root: string): TakesFiles {
    return {
      take: async (file) => {
        await this.#ask({ kind: 'take', id: this.#nextId++, root, file });
      },
    };
  }

  /** Ends the thread; whoever waits for it is told. The next file starts it anew. */
  async close(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    this.#lost(worker, ended());
    await worker.terminate();
  }

  #ask(order: Exclude<SpoolOrder, { kind: 'abandon' }>): Promise<Answered> {
    // A thread that ended has taken with it what it knew of the spools that it wrote.
    const goesOn = order.kind === 'append' || order.kind === 'finish';
    if (this.#worker === undefined && goesOn) return Promise.reject(ended());
    this.#worker ??= this.#hire();
    const answer = Promise.withResolvers<Answered>();
    if (this.#waiting.size === 0) this.#worker.ref();
    const before = this.#waiting.get(order.id);
    if (before === undefined) this.#waiting.set(order.id, [answer]);
    else before.push(answer);
    this.#worker.postMessage(order);
    return answer.promise;
  }

  #hire(): Worker {
    const worker = startThread(import.meta.url, 'spool-worker', {
      // It makes hardly any objects, but each holds on to memory that is shared until it is collected.
      maxYoungGenerationSizeMb: 1,
      maxOldGenerationSizeMb: 64,
    });
    worker.on('message', (answer: SpoolAnswer) => {
      // What was on its way when the thread was given up says nothing of the next one.
      if (this.#worker === worker) this.#answered(answer);
    });
    worker.on('error', (error) => this.#lost(worker, error));
    worker.on('exit', () => this.#lost(worker, ended()));
    return worker;
  }

  #answered(answer: SpoolAnswer): void {
    this.#hasAnswered = true;
    const ofSpool = this.#waiting.get(answer.id);
    const waiting = ofSpool?.shift();
    if (ofSpool?.length === 0) this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#worker?.unref();
    if ('failed' in answer) waiting?.reject(new ThreadError(answer.failed));
    else waiting?.resolve(answer);
  }

  #lost(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#hasAnswered = false;
    const waiting = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    for (const { reject } of waiting) reject(error);
  }
}

function hashesOf(answer: Answered): FileHashes {
  if (!('hashes' in answer)) throw new TypeError('the thread that writes spools answered something else');
  return answer.hashes;
}

function ended(): Error {
  return new SpoolGoneError('the thread that writes spools has ended');
}

/** The thread of this process. */
export const spoolThread: SpoolThread = new SpoolThread();

/** Should it hash? With one processor only, two threads that compute would but take turns. */
export const hashesInThread: boolean = availableParallelism() > 1;
