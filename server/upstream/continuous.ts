import type { Clock } from '../clock.ts';
import { Problem } from '../problem.ts';
import { problemOf, UpstreamError, upstreamErrorOf } from './errors.ts';
import type { Download, DownloadTarget, Upstream } from './upstream.ts';

export interface ContinuousParts {
  readonly upstream: Upstream;
  readonly target: DownloadTarget;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

// With the pauses below, an upstream has 12 s to come back: less than installers wait for a byte.
const MAX_FAILURES = 6;
// After so many a fallback may have the rest.
const DISTRUST_AFTER = 2;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 4_000;
// Against an upstream that gives a few bytes each time.
const MAX_RESUMES = 50;

/**
 * The bytes of a file from `from` on without a gap, however often the line is cut: what is missing is asked for again where it broke off. Ends
 * only when the file is as long as upstream said. Without a digest, the rest is only taken from a file that is the same by its validators.
 * Throws a `Problem` when the upstream gives nothing more.
 */
export async function* continuous(parts: ContinuousParts, first: Download, from: number): AsyncGenerator<Buffer> {
  const resumes = new Resumes(parts, first);
  let download = first;
  let position = from;
  for (;;) {
    let at = download.offset;
    let failure: unknown;
    try {
      for await (const chunk of download.body) {
        const fresh = chunk.subarray(Math.max(0, position - at));
        at += chunk.length;
        if (fresh.length === 0) continue;
        position += fresh.length;
        resumes.progress();
        yield fresh;
      }
      if (at >= (download.size ?? at)) return;
      failure = new UpstreamError('reset', 'the file ended too early');
    } catch (error) {
      failure = error;
    }
    parts.signal.throwIfAborted();
    download = await resumes.next(position, failure);
  }
}

class Resumes {
  readonly #parts: ContinuousParts;
  readonly #first: Download;
  #failures = 0;
  #resumes = 0;

  constructor(parts: ContinuousParts, first: Download) {
    this.#parts = parts;
    this.#first = first;
  }

  progress(): void {
    this.#failures = 0;
  }

  /** The rest, after `failure`. Throws a `Problem`. */
  async next(position: number, failure: unknown): Promise<Download> {
    const { upstream, target, signal, clock } = this.#parts;
    const { validator } = this.#first;
    let last = failure;
    for (;;) {
      this.#failures += 1;
      this.#resumes += 1;
      if (this.#failures > MAX_FAILURES || this.#resumes > MAX_RESUMES) throw this.#problem(last);
      if (this.#failures === DISTRUST_AFTER) upstream.distrust(target);
      await clock.sleep(Math.min(FIRST_PAUSE_MS * 2 ** (this.#failures - 1), LONGEST_PAUSE_MS), signal);
      try {
        const options = { signal, offset: position, ...(validator === undefined ? {} : { validator }) };
        return this.#same(await upstream.download(target, options), position);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof Problem) || !error.slug.startsWith('upstream-') || error.slug === 'upstream-mismatch')
          throw error;
        last = error;
      }
    }
  }

  /** Throws when this is visibly another file than the one that was begun. */
  #same(download: Download, position: number): Download {
    const { target } = this.#parts;
    const { size, validator } = this.#first;
    const isOther = size !== undefined && download.size !== undefined && size !== download.size;
    const isUnsure =
      target.sha256 === undefined &&
      download.offset < position &&
      (validator === undefined || download.validator !== validator);
    if (!isOther && !isUnsure) return download;
    download.body.destroy();
    throw new Problem('upstream-mismatch', `${target.filename} changed at the upstream while it was downloaded.`);
  }

  #problem(failure: unknown): unknown {
    if (failure instanceof Problem) return failure;
    const { upstream } = this.#parts;
    return problemOf(upstreamErrorOf(failure), upstream.name, upstream.health().retryAfter);
  }
}
