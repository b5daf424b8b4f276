import type { Response } from 'express';
import type { Jobs } from '../jobs/jobs.ts';

/** Answers 202 with a job and `Location`, where to ask for it. */
export type AcceptedJob = (res: Response, id: string) => Promise<void>;

/** The path of `publicUrl` stands before the address: behind a proxy that serves below a path, clients follow it to the right place. */
export function acceptedJob(jobs: Jobs, publicUrl: string | null): AcceptedJob {
  const prefix = publicUrl === null ? '' : new URL(publicUrl).pathname.replace(/\/+$/, '');
  return async (res, id) => {
    const { state } = await jobs.get(id);
    res.status(202).location(`${prefix}/admin/jobs/${id}`).json({ id, state });
  };
}
