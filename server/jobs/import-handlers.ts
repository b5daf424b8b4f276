import type { Catalog } from '../catalog/catalog.ts';
import { countImportFiles } from '../catalog/import-files.ts';
import { listJobItems } from '../catalog/jobs.ts';
import type { Imports } from '../importing/imports.ts';
import { JobGivesUp, type JobHandlers } from './runner.ts';

export type ImportHandlers = Pick<JobHandlers, 'import-index' | 'import-files'>;

/** What is to be done for each kind of import. */
export function importHandlers({
  imports,
  catalog,
}: {
  readonly imports: Imports;
  readonly catalog: Catalog;
}): ImportHandlers {
  return {
    'import-index': async (job) => {
      const { counts, failures } = await imports.run(job.input, job.secret, { job, actor: job.actor });
      const [first] = failures;
      if (first === undefined) return { ...counts };
      throw new JobGivesUp(sentence(first.filename ?? first.name, first.why, counts.failed ?? 1));
    },
    // Files come by requests; here is summed up, once they have come or nobody has sent one for long.
    'import-files': async (job) => {
      const counts = await catalog.read(() => countImportFiles(job.id));
      const waiting = (counts.entries ?? 0) - (counts.entriesDone ?? 0);
      if (waiting > 0) {
        const files = waiting === 1 ? 'One file of the list has' : `${waiting} files of the list have`;
        throw new JobGivesUp(`${files} not come. Begin the import again: what is here is not sent again.`);
      }
      const [first] = await catalog.read(() => listJobItems(job.id, { state: 'failed', limit: 1 }));
      if (first === undefined) return { ...counts };
      throw new JobGivesUp(sentence(first.key, first.detail.why, counts.failed ?? 1));
    },
  };
}

function sentence(what: string, why: unknown, failed: number): string {
  const others = failed === 1 ? '' : ` So it is with ${failed - 1} more, each listed with its reason.`;
  return `${what} could not move in: ${String(why ?? 'nobody knows why').replace(/\.$/, '')}.${others}`;
}
