import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { A1, B1, pins } from '../support/mirror-world.ts';
import type { JobAnswer } from '../support/mirroring.ts';
import { testServer } from '../support/test-server.ts';

test('a mirror job goes on after the process was killed in the middle, at once, and fetches nothing twice', async (t) => {
  const up = await fakeUpstream(t);
  up.project('alpha').add(A1);
  up.project('beta').add(B1);
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  up.order(`/files/${B1.filename}`, { hold: held, times: 1 });
  const server = await testServer(t, { upstream: up.url });
  const authorization = `Bearer ${server.token}`;
  const answer = await server.get('/admin/mirror?name=requirements.txt', {
    method: 'POST',
    headers: { authorization },
    body: pins(A1, B1),
  });
  const path = answer.headers.get('location') ?? '';
  await up.waitFor(`/files/${B1.filename}`);
  let stored = false;
  while (!stored) stored = (await server.get(`/offline/simple/alpha/${A1.filename}`)).ok;
  await server.stop('SIGKILL');
  await server.start();
  release();
  const events = await server.get(`${path}/events`, { headers: { authorization } });
  await events.text();
  const job = (await (await server.get(path, { headers: { authorization } })).json()) as JobAnswer;
  assert.equal(job.state, 'succeeded', JSON.stringify(job));
  assert.equal(up.requests(`/files/${A1.filename}`), 1);
});
