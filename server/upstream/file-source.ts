import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import { UpstreamError, upstreamErrorOf } from './errors.ts';
import { requestFile } from './file-request.ts';
import type { IndexAddress } from './index-address.ts';
import { findByDigest } from './index-page.ts';
import { nearestOf } from './nearest.ts';
import { NoPlaceError, type Places } from './places.ts';
import { retrying } from './retry.ts';
import type { Download, DownloadTarget } from './upstream.ts';
import type { Web } from './web.ts';

export interface FileSourceParts {
  readonly web: Web;
  readonly clock: Clock;
  readonly places: Places;
  readonly timeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly retries: number;
  readonly random: () => number;
}

export interface DownloadOptions {
  readonly signal: AbortSignal;
  readonly offset?: number;
  readonly validator?: string;
}

/**
 * Files of an index: from the address that the page links to, and when that fails or has none and the digest is known, from a fallback
 * whose own page lists the same digest.
 */
export class FileSource {
  readonly #addresses: readonly IndexAddress[];
  /** Addresses of files for which a fallback is asked first. */
  readonly #distrusted = new LRUCache<string, true>({ max: 1_000 });
  readonly #parts: FileSourceParts;

  constructor(addresses: readonly IndexAddress[], parts: FileSourceParts) {
    this.#addresses = addresses;
    this.#parts = parts;
  }

  /** The head of the file and its body to come; a place is held until the body is closed. Throws `UpstreamError`. */
  async download(target: DownloadTarget, options: DownloadOptions): Promise<Download | 'absent'> {
    const leave = await this.#place(options.signal);
    try {
      const download = await this.#fromAnywhere(target, options);
      if (download === 'absent') leave();
      else download.body.whenClosed(leave);
      return download;
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** The bytes that came were wrong, or broke off again and again: the others have their turn, and with the next call again this one. */
  distrust({ url, sha256 }: DownloadTarget): void {
    if (sha256 === undefined || this.#distrusted.delete(url.href)) return;
    this.#distrusted.set(url.href, true);
  }

  async #fromAnywhere(target: DownloadTarget, options: DownloadOptions): Promise<Download | 'absent'> {
    // The first address is where a link to another host came from.
    const home = nearestOf(this.#addresses, target.url) ?? this.#addresses[0];
    const isDistrusted = this.#distrusted.has(target.url.href);
    const early = isDistrusted ? await this.#elsewhere(home, target, options) : undefined;
    if (early) return early;
    let failure: UpstreamError | undefined = new UpstreamError('unreachable', home?.lastError ?? 'it is down');
    if (home?.isInVain(target.url) !== true) {
      try {
        const download = await this.#from(target.url, target, options);
        if (download !== 'absent') return download;
        failure = undefined;
      } catch (error) {
        options.signal.throwIfAborted();
        failure = upstreamErrorOf(error);
      }
    }
    const found = isDistrusted ? undefined : await this.#elsewhere(home, target, options);
    if (found) return found;
    if (failure) throw failure;
    return 'absent';
  }

  /** The file from another address than the one that its page links to. */
  async #elsewhere(
    home: IndexAddress | undefined,
    target: DownloadTarget,
    options: DownloadOptions,
  ): Promise<Download | undefined> {
    for (const address of this.#addresses) {
      if (target.sha256 === undefined || address === home || address.breaker.state === 'open') continue;
      const found = await this.#fallback(address, target, options);
      if (found) return found;
    }
    return undefined;
  }

  /** The file from an address that lists the same digest; `undefined` when it cannot be had there. */
  async #fallback(
    address: IndexAddress,
    target: DownloadTarget,
    options: DownloadOptions,
  ): Promise<Download | undefined> {
    const { project, filename, sha256 } = target;
    try {
      const page = await address.page(project, { ms: this.#parts.timeoutMs });
      const url = typeof page === 'string' || !sha256 ? undefined : findByDigest(page, filename, sha256);
      if (!url || url.href === target.url.href) return undefined;
      // Validators are the first address's.
      const { validator: _, ...rest } = options;
      const download = await this.#from(url, target, rest);
      return download === 'absent' ? undefined : download;
    } catch (error) {
      options.signal.throwIfAborted();
      if (!(error instanceof UpstreamError)) throw error;
      // Already told to that address's breaker; the first failure is the one to report.
      return undefined;
    }
  }

  async #from(url: URL, target: DownloadTarget, options: DownloadOptions): Promise<Download | 'absent'> {
    const { clock, retries, random, timeoutMs } = this.#parts;
    const { signal, offset = 0, validator } = options;
    const owner = nearestOf(this.#addresses, url) ?? this.#addresses[0];
    const isVerified = target.sha256 !== undefined;
    try {
      const until = clock.nowMs() + timeoutMs;
      const download = await retrying({ clock, signal, retries, until, random }, () =>
        requestFile(this.#parts, { url, filename: target.filename, isVerified, offset, validator, signal }),
      );
      owner?.fileSucceeded(url);
      return download;
    } catch (error) {
      signal.throwIfAborted();
      const failure = upstreamErrorOf(error);
      owner?.fileFailed(url, failure);
      throw failure;
    }
  }

  async #place(signal: AbortSignal): Promise<() => void> {
    try {
      return await this.#parts.places.take(signal);
    } catch (error) {
      if (error instanceof NoPlaceError) throw new UpstreamError('here', 'too many files are being asked for at once');
      throw error;
    }
  }
}
