import type { Actor } from '../model/access.ts';
import type { JobReporter } from '../model/job.ts';
import type { FirstMatch } from '../repository/first-match.ts';
import type { Lock } from './lock.ts';
import type { MirrorParts, MirrorSummary } from './mirror-parts.ts';
import { MirrorReport } from './mirror-report.ts';
import { MirrorRun } from './mirror-run.ts';
import { neededEntries } from './needed.ts';
import type { PickOptions } from './pick-files.ts';

/**
 * Stores what a lock needs, through the same door that installers use. Idempotent: what is stored already is not fetched again. Tells each
 * thing's outcome; what fails does not stop the rest, and is tried once more at the end when the cause may have passed.
 */
export class Mirror {
  readonly #parts: MirrorParts;

  constructor(parts: MirrorParts) {
    this.#parts = parts;
  }

  /** Rejects with the job's reason when it is told to stop, and when the catalog cannot be reached. */
  async run(
    lock: Lock,
    order: { readonly index: FirstMatch; readonly options: PickOptions; readonly actor: Actor },
    job: JobReporter,
  ): Promise<MirrorSummary> {
    const needed = neededEntries(lock, order.options.targets);
    const run = new MirrorRun(this.#parts, order, new MirrorReport(job, needed.length));
    if (lock.format === 'requirements-txt') run.lookForUnnamed(needed);
    const summary = await run.all(needed);
    return { ...summary, notes: await run.unnamed(needed) };
  }
}
