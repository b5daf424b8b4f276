import type { FailureKind } from './errors.ts';

/** A failure as the breaker hears of it. */
export interface Failure {
  readonly of: 'page' | 'file';
  readonly kind: FailureKind;
  /** What was asked for: the same thing failing again proves no more. */
  readonly object: string;
}

// What is older says little of now.
const WINDOW_MS = 60_000;

interface Entry {
  points: number;
  readonly isFileAnswer: boolean;
  at: number;
}

/**
 * Weighs failures since the last success. With a limit of `n`: no connection at all for a page counts `n`; a page that times out, 429, and
 * a file host without a connection `n - 1` each time; a broken connection or a file that times out `n - 1` once per object;
 * an unusable answer 1 once per object. So one page or file that the upstream cannot give never proves an outage; three pages do, or
 * two timeouts. Unusable answers to files prove nothing on their own.
 */
export class Evidence {
  readonly #limit: number;
  readonly #entries = new Map<string, Entry>();
  #count = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Do the failures, this one included, prove an outage? */
  add(failure: Failure, now: number): boolean {
    for (const [key, { at }] of this.#entries) if (now - at > WINDOW_MS) this.#entries.delete(key);
    const points = this.#pointsOf(failure);
    if (points > 0) {
      const key = this.#keyOf(failure);
      const isFileAnswer = failure.of === 'file' && failure.kind === 'answer';
      this.#entries.set(key, { points: Math.max(points, this.#entries.get(key)?.points ?? 0), isFileAnswer, at: now });
    }
    let total = 0;
    let fileAnswers = 0;
    for (const entry of this.#entries.values()) {
      if (entry.isFileAnswer) fileAnswers += entry.points;
      else total += entry.points;
    }
    return total > 0 && total + fileAnswers >= this.#limit;
  }

  /** A success: what failed of that kind before counts no more. */
  clear(of: 'page' | 'file'): void {
    for (const key of this.#entries.keys()) if (key.startsWith(of)) this.#entries.delete(key);
  }

  #pointsOf({ of, kind }: Failure): number {
    if (kind === 'here') return 0;
    if (kind === 'answer') return 1;
    if (kind === 'unreachable' && of === 'page') return this.#limit;
    return Math.max(1, this.#limit - 1);
  }

  /** Failures of one object are one entry where only the object may be at fault. */
  #keyOf({ of, kind, object }: Failure): string {
    const objectAtFault = kind === 'answer' || kind === 'reset' || (kind === 'timeout' && of === 'file');
    if (objectAtFault) return `${of} ${object}`;
    this.#count += 1;
    return `${of} #${this.#count}`;
  }
}
