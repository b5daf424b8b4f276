import { setTimeout as delay } from 'node:timers/promises';
import { emptyPage, errorPage, garbageJson, type Order, signInPage } from '../support/fake-orders.ts';
import type { FakeUpstream } from '../support/fake-upstream.ts';
import type { Random } from './random.ts';

const MANNERS: Readonly<Record<string, Order>> = {
  hangs: { hang: true },
  resets: { reset: true },
  'answers 500': { status: 500 },
  'answers 503': { status: 503, headers: { 'retry-after': '1' } },
  'answers 429': { status: 429, headers: { 'retry-after': '2' } },
  'answers 403': { status: 403 },
  'answers 404': { status: 404 },
  'shows a sign-in page': signInPage,
  'shows an error page': errorPage,
  'sends garbage': garbageJson,
  'sends empty pages': emptyPage,
  'cuts early': { cutAfter: 300 },
  'cuts late': { cutAfter: 100_000 },
  'promises too much': { lieAboutLength: 50 },
  'promises too little': { lieAboutLength: -50 },
  'sends other bytes': { corrupt: true },
  'is slow': { delayMs: 1200 },
  drips: { drip: { bytes: 20_000, everyMs: 50 } },
  'redirects in circles': { hops: 30 },
  compresses: { gzip: true },
  'has no validators': { validators: false },
  'tells no lengths': { chunked: true },
  'knows no ranges': { ranges: false },
  'sends a bomb': { gzipBomb: 3e8 },
};
const SCOPES = ['*', '/simple/*', '/files/*'] as const;
const GOOD = 'behaves';

/** An upstream that is well-behaved at times and changes its manners every second or two. */
export class Misconduct {
  readonly #upstream: FakeUpstream;
  readonly #random: Random;
  /** How it behaves now, and how it did before: an answer may come of either. */
  readonly #manners: string[] = [GOOD];

  constructor(upstream: FakeUpstream, random: Random) {
    this.#upstream = upstream;
    this.#random = random;
  }

  /** For a report. */
  get now(): string {
    return this.#manners.slice(-2).join(', then ');
  }

  /** May it have said, at any time, that it has not got something? That is remembered until it says otherwise. */
  get mayHaveDenied(): boolean {
    return this.#manners.some((manner) => /404|empty/.test(manner));
  }

  /** Goes on until `signal` aborts, and leaves it well-behaved. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const manner = this.#random.one([GOOD, GOOD, ...Object.keys(MANNERS)]);
      const order = MANNERS[manner];
      const scope = this.#random.one(SCOPES);
      this.#behave();
      if (order !== undefined) this.#upstream.order(scope, order);
      this.#manners.push(order === undefined ? manner : `${manner} at ${scope}`);
      if (this.#random.next() < 0.08) {
        this.#manners.push('refuses connections');
        await this.#upstream.refuse();
        await delay(this.#random.below(3000));
        await this.#upstream.accept();
      }
      await delay(300 + this.#random.below(2200));
    }
    this.#behave();
    this.#manners.push(GOOD);
  }

  #behave(): void {
    for (const scope of SCOPES) this.#upstream.order(scope);
  }
}
