import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { runCli } from '../support/run-cli.ts';

const DONE = { id: 'j1', state: 'succeeded', counts: {}, bytes: 0, error: null, result: null, revision: 1 };

/** A server that answers nothing but the events of a job: by dropping the line so many times, then as told. */
async function unsteady(
  t: { after(fn: () => Promise<void>): void },
  { drops, status }: { readonly drops: number; readonly status: number },
) {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(request.url ?? '');
    if (seen.length <= drops) request.socket.resetAndDestroy();
    else if (status !== 200) response.writeHead(status).end(JSON.stringify({ title: 'Job not found' }));
    else response.writeHead(200).end(`event: job\ndata: ${JSON.stringify(DONE)}\n\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const env = { STORMCELLAR_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  return { seen, follow: () => runCli(['jobs', 'follow', 'j1'], env) };
}

test('a job is followed over a restart of the server that takes a while', async (t) => {
  const { seen, follow } = await unsteady(t, { drops: 8, status: 200 });
  assert.deepEqual(await follow(), { status: 0, stdout: 'j1 succeeded\n', stderr: '' });
  assert.equal(seen.length, 9);
});

test('a server that refuses is asked once', async (t) => {
  const { seen, follow } = await unsteady(t, { drops: 0, status: 404 });
  assert.deepEqual(await follow(), { status: 1, stdout: '', stderr: 'Job not found.\n' });
  assert.deepEqual(seen, ['/admin/jobs/j1/events']);
});
