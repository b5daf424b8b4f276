import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeUpstream } from '../support/fake-upstream.ts';
import type { JobAnswer } from '../support/mirroring.ts';
import { type TestServer, testServer } from '../support/test-server.ts';
import { makeWheel } from '../support/wheel.ts';

const ONE = makeWheel({ name: 'acme-lib', version: '1.0' });
const TWO = makeWheel({ name: 'acme-lib', version: '2.0' });

test('an index goes on moving in after the process was killed in the middle, and nothing is fetched twice', async (t) => {
  const up = await fakeUpstream(t, { credentials: { user: 'u', password: 'secret' } });
  up.project('acme-lib').add(ONE).add(TWO);
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  up.order(`/files/${TWO.filename}`, { hold: held, times: 1 });
  const server = await testServer(t);
  const path = await ordered(server, { simple: up.url.replace('//', '//u:secret@') });
  await up.waitFor(`/files/${TWO.filename}`);
  let stored = false;
  while (!stored) stored = (await server.get(`/offline/simple/acme-lib/${ONE.filename}`)).ok;
  await server.stop('SIGKILL');
  await server.start();
  release();
  const job = await finished(server, path);
  assert.equal(job.state, 'succeeded', JSON.stringify(job));
  assert.deepEqual([job.counts.stored, job.counts.present], [1, 1]);
  assert.equal(up.requests(`/files/${ONE.filename}`), 1);
});

test('files that are sent one by one: what was acknowledged is there, and the rest is taken after a kill', async (t) => {
  const server = await testServer(t);
  const path = await ordered(server, { files: [ONE, TWO].map(({ filename, sha256 }) => ({ filename, sha256 })) });
  const send = (file: typeof ONE) =>
    server.get(`/admin/import/${path.split('/').at(-1)}/files/${file.filename}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${server.token}` },
      body: new Uint8Array(file.bytes),
    });
  assert.equal((await send(ONE)).status, 201);
  await server.stop('SIGKILL');
  await server.start();
  assert.equal((await send(ONE)).status, 200);
  assert.equal((await send(TWO)).status, 201);
  const job = await finished(server, path);
  assert.equal(job.state, 'succeeded', JSON.stringify(job));
  assert.equal(job.counts.stored, 2);
});

async function ordered(server: TestServer, order: unknown): Promise<string> {
  const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' };
  const answer = await server.get('/admin/import', { method: 'POST', headers, body: JSON.stringify(order) });
  assert.equal(answer.status, 202, await answer.clone().text());
  return answer.headers.get('location') ?? '';
}

async function finished(server: TestServer, path: string): Promise<JobAnswer> {
  const headers = { authorization: `Bearer ${server.token}` };
  await (await server.get(`${path}/events`, { headers })).text();
  return (await (await server.get(path, { headers })).json()) as JobAnswer;
}
