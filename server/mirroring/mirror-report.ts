import type { JobCounts, JobReporter } from '../model/job.ts';

/** What became of one thing that a lock needs. `skipped`: it could not be had, and an install may do without. */
type OutcomeState = 'stored' | 'present' | 'failed' | 'skipped';

/** As it stands in the job's items. */
export interface Outcome {
  readonly state: OutcomeState;
  /** The project, or the address of a requirement whose project is not told. */
  readonly name: string;
  readonly version?: string | undefined;
  readonly filename?: string | undefined;
  readonly sha256?: string | undefined;
  readonly size?: number | undefined;
  /** Where the lock has it. */
  readonly place?: string | undefined;
  /** Why it failed or was skipped: a sentence. */
  readonly why?: string | undefined;
  /** What needs it to be built, where the lock does not name it. */
  readonly by?: string | undefined;
  /** Of a URL or VCS requirement: `true`. */
  readonly source?: true;
  /** Of git: the commit that is kept. */
  readonly commit?: string | undefined;
  /** What a source lacks or differs in. */
  readonly notes?: readonly string[];
}

/** Tells a job's followers how far a mirror run is, and sums up. */
export class MirrorReport {
  readonly #job: JobReporter;
  readonly #counts = { entries: 0, entriesDone: 0, files: 0, stored: 0, present: 0, failed: 0, skipped: 0, bytes: 0 };
  readonly #failures: Outcome[] = [];

  /** `entries`: how many the lock needs. */
  constructor(job: JobReporter, entries: number) {
    this.#job = job;
    this.#counts.entries = entries;
  }

  get signal(): AbortSignal {
    return this.#job.signal;
  }

  get counts(): JobCounts {
    return { ...this.#counts };
  }

  /** The first failures. */
  get failures(): readonly Outcome[] {
    return this.#failures;
  }

  entriesDone(count: number): void {
    this.#counts.entriesDone += count;
    this.#job.progress(this.counts);
  }

  async tell(outcome: Outcome): Promise<void> {
    const { state, ...detail } = outcome;
    this.#counts.files += 1;
    this.#counts[state] += 1;
    if (state === 'stored' || state === 'present') this.#counts.bytes += outcome.size ?? 0;
    if (state === 'failed' && this.#failures.length < 5) this.#failures.push(outcome);
    this.#job.progress(this.counts);
    await this.#job.item(keyOf(outcome), { state, detail: defined(detail) });
  }
}

/** Unique within a run: a file's name where it is known, else what is known. Of a requirement with an address also its place: two may lead to one archive. */
function keyOf({ name, version, filename, sha256, place, source }: Outcome): string {
  const facts = source ? [filename ?? version, place] : filename === undefined ? [version, sha256, place] : [filename];
  return `${source ? 'sources/' : ''}${name}/${facts.filter((each) => each !== undefined).join(' ')}`.slice(0, 500);
}

function defined(detail: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(detail).filter(([, value]) => value !== undefined));
}
