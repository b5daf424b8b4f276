import assert from 'node:assert/strict';
import type { JobAnswer } from './mirroring.ts';
import type { TestApp } from './test-app.ts';
import type { BuiltFile } from './wheel.ts';

export const JSON_PAGE = { headers: { accept: 'application/vnd.pypi.simple.v1+json' } };

/** What tests of eviction look at. */
export interface Page {
  readonly files: readonly { readonly filename: string; readonly size?: number }[];
}

export const pathOf = ({ name, filename }: BuiltFile): string => `/simple/${name}/${filename}`;

/** Has a file pulled through, until it is stored. */
export async function pull(app: TestApp, wheel: BuiltFile): Promise<Response> {
  const answer = await app.get(pathOf(wheel));
  assert.deepEqual(Buffer.from(await answer.arrayBuffer()), wheel.bytes);
  // It is stored after the last of its bytes has been sent.
  while (!(await isStored(app, wheel))) await new Promise(setImmediate);
  return answer;
}

/** Does the offline page list the file? */
export async function isStored(app: TestApp, wheel: BuiltFile): Promise<boolean> {
  const answer = await app.get(`/offline/simple/${wheel.name}/`, JSON_PAGE);
  const page = (await answer.json()) as Partial<Page>;
  return page.files?.some(({ filename }) => filename === wheel.filename) ?? false;
}

/** Has garbage collected, to the end. */
export async function collect(app: TestApp): Promise<NonNullable<JobAnswer['result']>> {
  const path = (await app.admin('/admin/gc', { method: 'POST' })).headers.get('location') ?? '';
  for (;;) {
    const job = (await (await app.admin(path)).json()) as JobAnswer;
    assert.notEqual(job.state, 'failed', JSON.stringify(job));
    if (job.state === 'succeeded') return job.result ?? {};
    await new Promise(setImmediate);
  }
}

/** The files that were let go so far, by any node, in the order of their names. */
export async function letGo(app: TestApp): Promise<readonly string[]> {
  const answer = await app.admin('/admin/events?kind=cache-evicted');
  const { events } = (await answer.json()) as { events: { detail: { files: string[] } }[] };
  return events.flatMap(({ detail }) => detail.files).sort();
}
