import type { Clock } from '../clock.ts';
import { UpstreamError } from './errors.ts';
import { Evidence, type Failure } from './evidence.ts';
import type { BreakerState } from './upstream.ts';

export interface BreakerOptions {
  readonly clock: Clock;
  /** Weight of failures that opens; see `Evidence`. */
  readonly failuresToOpen: number;
  /** The longest pause between two probes. The first comes after a second. */
  readonly probeEveryMs: number;
  /** Asks the upstream for something small; throws when that fails, and has by then told whoever wants to know. */
  readonly probe: (signal: AbortSignal) => Promise<void>;
  /** Called after each change of state. */
  readonly onChange: () => void;
  /** 0 to 1. */
  readonly random: () => number;
  /** How things stood when the last process ended. */
  readonly saved?: { readonly state: BreakerState; readonly since: number } | undefined;
}

const FIRST_PROBE_MS = 1_000;
// A `Retry-After` may ask for longer than our own pauses, but not for ever.
const LONGEST_PAUSE_MS = 10 * 60_000;
// An upstream that fails again so soon after it came back is probed at the pace it had reached.
const STEADY_AFTER_MS = 60_000;

/**
 * Decides from successes and failures whether one address of an index can be asked. It opens as `Evidence` says, and at once when a
 * request dies of old age while callers have already been told not to wait (`slow`). While it is not closed, a probe in the background
 * asks again: after 1 s, 2 s, 4 s … up to `probeEveryMs`, a quarter more or less, not sooner than a `Retry-After`. The first success
 * closes it, without a hand.
 */
export class Breaker {
  readonly #options: BreakerOptions;
  readonly #evidence: Evidence;
  readonly #stopping = new AbortController();
  #state: BreakerState;
  #since: number;
  #probing: Promise<void> | undefined;
  #closing = new AbortController();
  #openedBy: Failure['of'] = 'page';
  #probes = 0;
  #nextProbeAt = 0;

  constructor(options: BreakerOptions) {
    this.#options = options;
    this.#evidence = new Evidence(options.failuresToOpen);
    this.#state = options.saved?.state ?? 'closed';
    this.#since = options.saved?.since ?? options.clock.nowMs();
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** When the state began, milliseconds. */
  get since(): number {
    return this.#since;
  }

  /** Seconds until the next probe, at least 1. */
  get retryAfter(): number {
    return Math.max(1, Math.ceil((this.#nextProbeAt - this.#options.clock.nowMs()) / 1000));
  }

  /** A page came, or was said not to be there. */
  pageSucceeded(): void {
    this.#evidence.clear('page');
    // When files cannot be had, pages that can be do not end the outage; the probe asks for both.
    if (this.#state === 'slow' || (this.#state === 'open' && this.#openedBy === 'page')) this.#close();
  }

  fileSucceeded(): void {
    this.#evidence.clear('file');
  }

  failed(failure: Failure, retryAfterMs?: number): void {
    const { clock } = this.#options;
    const proven = this.#evidence.add(failure, clock.nowMs());
    const diedSlowly = this.#state === 'slow' && failure.of === 'page' && failure.kind === 'timeout';
    if (this.#state !== 'open' && (proven || diedSlowly)) {
      this.#openedBy = failure.of;
      this.#open(retryAfterMs ?? 0);
    } else if (
      this.#state === 'slow' &&
      failure.of === 'page' &&
      failure.kind !== 'timeout' &&
      failure.kind !== 'here'
    ) {
      // Not the answer that was hoped for, but one: whoever asks next need not expect to wait.
      this.#close();
    }
  }

  /** Callers should not wait until something has been answered. */
  reportSlow(): void {
    if (this.#state !== 'closed') return;
    this.#forgetPace();
    this.#become('slow');
    this.#keepProbing(this.#pause());
  }

  /**
   * Takes over what another node has found. An outage counts here at once; that it is over this node finds out for itself, by
   * a probe at once: the other may have a way that it has not.
   */
  learn({ state, since }: { readonly state: BreakerState; readonly since: number }): void {
    if (state === 'closed') {
      if (this.#state !== 'closed') this.#probeNow();
      return;
    }
    if (state === this.#state ? since === this.#since : state === 'slow' && this.#state === 'open') return;
    const isNews = state !== this.#state;
    if (isNews) this.#openedBy = 'page';
    this.#become(state, since);
    if (isNews) this.#keepProbing(this.#pause());
  }

  /** Probes at once when the state that was loaded is not closed. */
  start(): void {
    if (this.#state !== 'closed') this.#keepProbing(0);
  }

  /** Ends probing and waits for it. */
  async stop(): Promise<void> {
    this.#stopping.abort(new UpstreamError('here', 'stopping'));
    await this.#probing;
  }

  #open(retryAfterMs: number): void {
    this.#forgetPace();
    this.#become('open');
    this.#keepProbing(Math.max(this.#pause(), Math.min(retryAfterMs, LONGEST_PAUSE_MS)));
  }

  #forgetPace(): void {
    const { clock } = this.#options;
    if (this.#state === 'closed' && clock.nowMs() - this.#since > STEADY_AFTER_MS) this.#probes = 0;
  }

  #close(): void {
    this.#become('closed');
    this.#closing.abort();
  }

  #become(state: BreakerState, since = Math.max(this.#options.clock.nowMs(), this.#since + 1)): void {
    this.#state = state;
    this.#since = since;
    this.#options.onChange();
  }

  #pause(): number {
    const { probeEveryMs, random } = this.#options;
    const pause = Math.min(FIRST_PROBE_MS * 2 ** Math.min(this.#probes, 20), Math.max(probeEveryMs, FIRST_PROBE_MS));
    this.#probes += 1;
    return pause * (0.75 + random() / 2);
  }

  /** Wakes the loop that probes. */
  #probeNow(): void {
    this.#nextProbeAt = this.#options.clock.nowMs();
    this.#closing.abort();
  }

  #keepProbing(firstPauseMs: number): void {
    this.#nextProbeAt = this.#options.clock.nowMs() + firstPauseMs;
    if (this.#probing || this.#stopping.signal.aborted) return;
    this.#probing = this.#probe().finally(() => {
      this.#probing = undefined;
    });
  }

  async #probe(): Promise<void> {
    const { clock, probe } = this.#options;
    while (this.#state !== 'closed' && !this.#stopping.signal.aborted) {
      this.#closing = new AbortController();
      const signal = AbortSignal.any([this.#closing.signal, this.#stopping.signal]);
      try {
        // Looked at again after each sleep: it may have been put off meanwhile.
        while (clock.nowMs() < this.#nextProbeAt) await clock.sleep(this.#nextProbeAt - clock.nowMs(), signal);
        await probe(signal);
        this.#evidence.clear('page');
        this.#evidence.clear('file');
        if (!signal.aborted) this.#close();
      } catch (error) {
        if (signal.aborted) continue;
        const asked = error instanceof UpstreamError ? (error.retryAfterMs ?? 0) : 0;
        this.#nextProbeAt = clock.nowMs() + Math.max(this.#pause(), Math.min(asked, LONGEST_PAUSE_MS));
        if (this.#state === 'slow') this.#become('open');
      }
    }
  }
}
