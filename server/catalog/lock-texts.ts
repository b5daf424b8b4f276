import { all, first, run, type Script } from './catalog.ts';
import { sql } from './schema.ts';

/** Keeps a lock's text under its digest, as JSON, for the job or kept lock that is recorded in the same script. */
export function* putLockText(digest: string, text: string, now: number): Script<void> {
  yield* run(
    sql
      .insertInto('lock_text')
      .values({ digest, text, stored_at: now })
      .onConflict((conflict) => conflict.column('digest').doUpdateSet({ stored_at: now })),
  );
}

export function* findLockText(digest: string): Script<string | undefined> {
  return (yield* first(sql.selectFrom('lock_text').select('text').where('digest', '=', digest)))?.text;
}

/** Says which lock a job is about. */
export function* linkMirrorJob(job: string, lock: string): Script<void> {
  yield* run(sql.insertInto('mirror_job').values({ job, lock }));
}

/** The lock, as JSON, that a job is about. */
export function* findLockOfJob(job: string): Script<{ readonly digest: string; readonly text: string } | undefined> {
  return yield* first(
    sql
      .selectFrom('mirror_job')
      .innerJoin('lock_text', 'lock_text.digest', 'mirror_job.lock')
      .select(['lock_text.digest', 'lock_text.text'])
      .where('mirror_job.job', '=', job),
  );
}

/** Forgets texts that no job and no kept lock is about any more, at most `limit` at a time. Answers how many. */
export function* pruneLockTexts(limit: number): Script<number> {
  const orphans = sql
    .selectFrom('mirror_job')
    .select('job')
    .where((eb) => eb.not(eb.exists(eb.selectFrom('job').select('job.id').whereRef('job.id', '=', 'mirror_job.job'))));
  const jobs = (yield* all(orphans.limit(limit))).map(({ job }) => job);
  if (jobs.length > 0) yield* run(sql.deleteFrom('mirror_job').where('job', 'in', jobs));
  const unused = sql
    .selectFrom('lock_text')
    .select('digest')
    .where((eb) =>
      eb.not(
        eb.or([
          eb.exists(
            eb.selectFrom('mirror_job').select('mirror_job.job').whereRef('mirror_job.lock', '=', 'lock_text.digest'),
          ),
          eb.exists(
            eb
              .selectFrom('kept_lock_version')
              .select('kept_lock_version.name')
              .whereRef('kept_lock_version.lock', '=', 'lock_text.digest'),
          ),
        ]),
      ),
    );
  const digests = (yield* all(unused.limit(limit))).map(({ digest }) => digest);
  if (digests.length > 0) yield* run(sql.deleteFrom('lock_text').where('digest', 'in', digests));
  return jobs.length + digests.length;
}
