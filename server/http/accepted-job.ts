import type { Request, Response } from 'express';
import type { Jobs } from '../jobs/jobs.ts';

/** Answers 202 with a job and `Location`, where to ask for it. */
export type AcceptedJob = (res: Response, id: string) => Promise<void>;

/** The path of our own address stands before it: behind a proxy that serves below a path, clients follow it to the right place. */
export function acceptedJob(jobs: Jobs, originOf: (req: Request) => string): AcceptedJob {
  return async (res, id) => {
    const { state } = await jobs.get(id);
    const prefix = new URL(originOf(res.req)).pathname.replace(/\/+$/, '');
    res.status(202).location(`${prefix}/admin/jobs/${id}`).json({ id, state });
  };
}
