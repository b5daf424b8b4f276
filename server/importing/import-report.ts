import type { JobCounts, JobReporter } from '../model/job.ts';

/** What became of one file. */
export interface ImportOutcome {
  readonly state: 'stored' | 'present' | 'failed';
  /** The project. */
  readonly name: string;
  /** Absent: the project's page could not be had. */
  readonly filename?: string;
  readonly sha256?: string;
  readonly size?: number;
  /** Why it failed: a sentence. */
  readonly why?: string;
}

/** What an import came to. */
export interface ImportSummary {
  readonly counts: JobCounts;
  /** The first things that could not be had. */
  readonly failures: readonly ImportOutcome[];
}

/** Tells a job's followers how far an import is, and sums up. */
export class ImportReport {
  readonly #job: JobReporter;
  readonly #counts = { entries: 0, entriesDone: 0, files: 0, stored: 0, present: 0, failed: 0, bytes: 0 };
  readonly #failures: ImportOutcome[] = [];

  /** `entries`: how many projects there are. */
  constructor(job: JobReporter, entries: number) {
    this.#job = job;
    this.#counts.entries = entries;
    this.#job.progress({ ...this.#counts });
  }

  get signal(): AbortSignal {
    return this.#job.signal;
  }

  get summary(): ImportSummary {
    return { counts: { ...this.#counts }, failures: this.#failures };
  }

  projectDone(): void {
    this.#counts.entriesDone += 1;
    this.#job.progress({ ...this.#counts });
  }

  async tell(outcome: ImportOutcome): Promise<void> {
    const { state, ...detail } = outcome;
    this.#counts.files += 1;
    this.#counts[state] += 1;
    if (state !== 'failed') this.#counts.bytes += outcome.size ?? 0;
    else if (this.#failures.length < 5) this.#failures.push(outcome);
    this.#job.progress({ ...this.#counts });
    await this.#job.item(`${outcome.name}/${outcome.filename ?? ''}`.slice(0, 500), { state, detail: { ...detail } });
  }
}
