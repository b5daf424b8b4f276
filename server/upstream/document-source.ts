import type { Clock } from '../clock.ts';
import { askDocument } from './answers.ts';
import { within } from './deadline.ts';
import { UpstreamError, upstreamErrorOf } from './errors.ts';
import type { IndexAddress } from './index-address.ts';
import { findByDigest } from './index-page.ts';
import { nearestOf } from './nearest.ts';
import { retrying } from './retry.ts';
import type { Document, DocumentOptions } from './upstream.ts';
import type { Web } from './web.ts';

export interface DocumentSourceParts {
  readonly web: Web;
  readonly clock: Clock;
  /** For one document, retries and fallbacks included. */
  readonly timeoutMs: number;
  readonly retries: number;
  readonly random: () => number;
}

/** Small documents of an index, whole: from their address, and when that fails and they are listed by digest, from a fallback. */
export class DocumentSource {
  readonly #addresses: readonly IndexAddress[];
  readonly #parts: DocumentSourceParts;

  constructor(addresses: readonly IndexAddress[], parts: DocumentSourceParts) {
    this.#addresses = addresses;
    this.#parts = parts;
  }

  /** `'absent'` for 404 and 410 at `url`. Throws `UpstreamError`. */
  async get(url: URL, options: DocumentOptions): Promise<Document | 'absent'> {
    const { clock, timeoutMs } = this.#parts;
    const until = clock.nowMs() + timeoutMs;
    // The first address is where a link to another host came from.
    const home = nearestOf(this.#addresses, url) ?? this.#addresses[0];
    const others =
      options.listed === undefined
        ? []
        : this.#addresses.filter((address) => address !== home && address.breaker.state !== 'open');
    // What is left is shared out, so that a fallback has its turn when the first address hangs.
    const share = (left: number): number => (until - clock.nowMs()) / left;
    let failure = new UpstreamError('unreachable', home?.lastError ?? 'it is down');
    if (others.length === 0 || home?.isInVain(url) !== true) {
      try {
        return await this.#ask(url, options, share(others.length + 1));
      } catch (error) {
        failure = upstreamErrorOf(error);
      }
    }
    for (const [index, address] of others.entries()) {
      const found = await this.#fallback(address, options, share(others.length - index));
      if (found !== undefined) return found;
    }
    throw failure;
  }

  /** The document from an address that lists the same digest; `undefined` when it cannot be had there. */
  async #fallback(address: IndexAddress, options: DocumentOptions, ms: number): Promise<Document | undefined> {
    const { listed } = options;
    const { clock } = this.#parts;
    if (listed === undefined) return undefined;
    const until = clock.nowMs() + ms;
    try {
      const page = await address.page(listed.project, { ms });
      const url = typeof page === 'string' ? undefined : findByDigest(page, listed.filename, listed.sha256);
      const answer = url === undefined ? 'absent' : await this.#ask(url, options, until - clock.nowMs());
      return answer === 'absent' ? undefined : answer;
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      // The first failure is the one to report.
      return undefined;
    }
  }

  #ask(url: URL, { accept, maxBytes }: DocumentOptions, ms: number): Promise<Document | 'absent'> {
    const { web, clock, retries, random } = this.#parts;
    const until = clock.nowMs() + ms;
    return within({ clock, ms }, (signal) =>
      retrying({ clock, signal, retries, until, random }, () =>
        askDocument({ web, clock, signal, maxBytes }, { url, accept }),
      ),
    );
  }
}
