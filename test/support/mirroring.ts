import assert from 'node:assert/strict';
import type { TestApp } from './test-app.ts';

/** A thing that a job had to do, as `/admin/jobs/ID` shows it. */
interface FileOutcome {
  readonly key: string;
  readonly state: string;
  readonly name?: string;
  readonly version?: string;
  readonly filename?: string;
  readonly sha256?: string;
  readonly why?: string;
  readonly by?: string;
  readonly commit?: string;
  readonly notes?: readonly string[];
}

export interface JobAnswer {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly error: string | null;
  readonly counts: Readonly<Record<string, number>>;
  readonly bytes: number;
  readonly result: Readonly<Record<string, unknown>> | null;
  readonly files: readonly FileOutcome[];
}

/** What is asked for a lock, as JSON. */
export interface LockCall {
  readonly name: string;
  readonly content: string;
  readonly parts?: Readonly<Record<string, string>>;
  readonly index?: string;
  readonly targets?: readonly string[];
  readonly sdists?: boolean;
  readonly keep?: string;
  readonly watch?: { readonly url: string; readonly every: string };
}

export interface DrillAnswer {
  readonly ready: boolean;
  readonly present: number;
  readonly missing: readonly {
    readonly name: string;
    readonly version: string | null;
    readonly filename: string | null;
    readonly why: string;
    readonly targets?: readonly string[];
  }[];
  readonly targets: readonly { readonly target: string; readonly ready: boolean }[];
  readonly notes: readonly { readonly place: string; readonly detail: string }[];
}

/** Asks for a lock to be mirrored, and follows the job to its end. */
export async function mirror(app: TestApp, call: LockCall): Promise<JobAnswer> {
  const answer = await post(app, '/admin/mirror', call);
  assert.equal(answer.status, 202, await answer.clone().text());
  const location = answer.headers.get('location') ?? '';
  assert.match(location, /^\/admin\/jobs\/[\w-]+$/);
  return await finished(app, location);
}

/** The job at a path, once it has finished. */
export async function finished(app: TestApp, path: string): Promise<JobAnswer> {
  const events = await app.admin(`${path}/events`);
  assert.equal(events.status, 200);
  await events.text();
  const job = await app.admin(path);
  assert.equal(job.status, 200);
  return (await job.json()) as JobAnswer;
}

export async function drill(app: TestApp, call: LockCall): Promise<DrillAnswer> {
  const answer = await post(app, '/admin/drill', call);
  assert.equal(answer.status, 200, await answer.clone().text());
  return (await answer.json()) as DrillAnswer;
}

/** The rewritten lock of a job that has succeeded. */
export async function rewritten(app: TestApp, job: JobAnswer, query = ''): Promise<string> {
  const answer = await app.admin(`/admin/jobs/${job.id}/lock${query}`);
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  return text;
}

export function post(
  app: TestApp,
  path: string,
  body: unknown,
  more: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const headers = { 'content-type': 'application/json', ...more };
  return app.admin(path, { method: 'POST', headers, body: JSON.stringify(body) });
}
