import { createHash, type Hash } from 'node:crypto';
import { Writable } from 'node:stream';
import type { ByteRange } from '../../storage/blob-store.ts';
import type { Spool } from '../../storage/spool.ts';
import type { Clock } from '../clock.ts';
import { continuous } from './continuous.ts';
import { type Expected, isGone, passThrough } from './pass-through.ts';
import type { Download, DownloadTarget, Upstream } from './upstream.ts';

export interface StraightParts {
  readonly upstream: Upstream;
  readonly target: DownloadTarget;
  readonly expected: Expected;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** The way from upstream to a reader that leads past the disk, for when that is full: for each reader anew, and checked all the same. */
export class Straight {
  readonly #parts: StraightParts;
  #prefix: Promise<Hash> | undefined;

  constructor(parts: StraightParts) {
    this.#parts = parts;
  }

  /** All of it, from a download that has begun. */
  async whole(download: Download, range: ByteRange | undefined, out: Writable): Promise<void> {
    await whileThere(out, this.#parts.signal, (signal) =>
      this.#pass(download, { from: 0, hash: createHash('sha256'), range, out, signal }),
    );
  }

  /** What the spool has not, for a reader that has had everything before `at`, or waits for the last byte of its range. */
  async rest(
    begun: { readonly spool: Spool; readonly validator: string | undefined },
    reader: { readonly at: number; readonly range: ByteRange | undefined; readonly out: Writable },
  ): Promise<void> {
    const { spool, validator } = begun;
    const { at, range, out } = reader;
    const { upstream, target } = this.#parts;
    // The spool shows all but the last byte that it has.
    const from = Math.max(0, spool.size - 1);
    this.#prefix ??= hashOf(spool, from);
    const prefix = await this.#prefix;
    await whileThere(out, this.#parts.signal, async (signal) => {
      const resume = { signal, offset: from, ...(validator === undefined ? {} : { validator }) };
      const download = await upstream.download(target, resume);
      await this.#pass(download, { from, hash: prefix.copy(), range, out, signal });
      if (range && range.end < from && !isGone(out)) await spool.send({ start: at, end: range.end }, out);
    });
  }

  async #pass(
    download: Download,
    reader: {
      readonly from: number;
      readonly hash: Hash;
      readonly range: ByteRange | undefined;
      readonly out: Writable;
      readonly signal: AbortSignal;
    },
  ): Promise<void> {
    const { upstream, target, expected, clock } = this.#parts;
    const { from, hash, range, out, signal } = reader;
    const sha256 = expected.sha256 ?? target.sha256;
    const right = { ...expected, ...(sha256 === undefined ? {} : { sha256 }) };
    const bytes = continuous({ upstream, target, signal, clock }, download, from);
    // A reader that leaves need not wait for one more chunk.
    signal.addEventListener('abort', () => download.body.destroy(), { once: true });
    await passThrough({ bytes, from, hash, expected: right, range, out, filename: target.filename });
  }
}

/** Runs `work` with a signal that aborts when `out` is closed; that it then breaks off is no failure. */
async function whileThere(
  out: Writable,
  outer: AbortSignal,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const left = new AbortController();
  const leave = (): void => left.abort();
  out.once('close', leave);
  if (isGone(out)) leave();
  try {
    await work(AbortSignal.any([outer, left.signal]));
  } catch (error) {
    if (!left.signal.aborted) throw error;
  } finally {
    out.off('close', leave);
  }
}

async function hashOf(spool: Spool, length: number): Promise<Hash> {
  const hash = createHash('sha256');
  const sink = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      hash.update(chunk);
      callback();
    },
  });
  if (length > 0) await spool.send({ start: 0, end: length - 1 }, sink);
  return hash;
}
