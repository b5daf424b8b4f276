import type { Writable } from 'node:stream';
import type { ByteRange } from '../../storage/blob-store.ts';
import type { Digest } from '../../storage/digest.ts';
import type { Clock } from '../clock.ts';
import { Problem } from '../problem.ts';

/** A file on its way from an upstream, as one reader has it. Either `send` or `close` must be called, once. */
export interface GrowingFile {
  /** Bytes of the whole file, when the upstream has told it. */
  readonly size?: number;
  /**
   * Writes the bytes of `range`, all of them without one, to `out` at its pace as they arrive, and does not end it. The last ones wait until
   * the whole file is known to be right; rejects when it is not, or when it cannot be had whole: the caller then destroys `out`. Settles when
   * `out` is closed early.
   */
  send(range: ByteRange | undefined, out: Writable): Promise<void>;
  /** Resolves once nothing more is awaited from the upstream, whatever became of it; what has come may still have to be stored. */
  readonly hasCome: Promise<void>;
  /** Settles once the file is stored; rejects when it will not be. Need not be looked at. */
  readonly done: Promise<Digest>;
  /** Lets go, when `send` is not called. */
  close(): void;
}

export interface ReaderParts {
  readonly clock: Clock;
  readonly size?: number | undefined;
  readonly hasCome: Promise<void>;
  readonly done: Promise<Digest>;
  readonly send: (range: ByteRange | undefined, out: Writable) => Promise<void>;
  readonly release: () => void;
}

// A reader that is neither used nor closed would hold a descriptor or a connection for ever.
const UNUSED_MS = 60_000;
// Abort without a reason makes an error with a stack, for nobody.
const IN_TIME = new Error('the file was used in time');

/** One reader's hold on a growing file, let go exactly once. */
export class Reader implements GrowingFile {
  readonly size?: number;
  readonly hasCome: Promise<void>;
  readonly done: Promise<Digest>;
  readonly #send: ReaderParts['send'];
  readonly #release: () => void;
  readonly #used = new AbortController();
  #isOpen = true;

  constructor({ clock, size, hasCome, done, send, release }: ReaderParts) {
    if (size !== undefined) this.size = size;
    this.hasCome = hasCome;
    this.done = done;
    this.#send = send;
    this.#release = release;
    clock.sleep(UNUSED_MS, this.#used.signal).then(
      () => this.close(),
      // Used or closed in time.
      () => {},
    );
  }

  async send(range: ByteRange | undefined, out: Writable): Promise<void> {
    if (!this.#isOpen) throw new Problem('internal', 'A file was read after it was let go.');
    this.#used.abort(IN_TIME);
    try {
      await this.#send(range, out);
    } finally {
      this.close();
    }
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#used.abort(IN_TIME);
    this.#release();
  }
}
