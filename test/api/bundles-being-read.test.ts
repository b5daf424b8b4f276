import assert from 'node:assert/strict';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { FakeClock } from '../support/fake-clock.ts';
import { startSharedEngines } from '../support/many-nodes.ts';
import { slowBundle } from '../support/slow-bundle.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { testServer } from '../support/test-server.ts';

const engines = await startSharedEngines();
after(() => engines.stop());

type Json = Record<string, unknown>;

// Answers go out as soon as the archive is stored.
const NO_WAIT = { bundles: { contentsWait: '0s' } };
const BYTES = slowBundle('flask', '3.0');
const PATH = '/bundles/myapp/1/myapp-1.tar.gz';
const JOBS = '/admin/jobs?state=queued';

async function json(response: Response | Promise<Response>): Promise<Json> {
  return (await (await response).json()) as Json;
}

/** Uploads and sees that the answer did not wait. */
async function pushed(app: { admin(path: string, init?: RequestInit): Promise<Response> }): Promise<void> {
  const answer = await app.admin(PATH, { method: 'PUT', body: BYTES });
  const { contents, contentsNote } = await json(answer);
  assert.deepEqual([answer.status, contents, contentsNote], [201, null, 'being read']);
}

function names({ contents }: Json): string[] | null {
  return (contents as { name: string; version: string }[] | null)?.map((one) => `${one.name}==${one.version}`) ?? null;
}

/** Asks until the contents are no longer being read. */
async function known(app: { get(path: string): Promise<Response> }): Promise<Json> {
  for (;;) {
    const view = await json(app.get('/bundles/myapp/1'));
    if (view.contentsNote !== 'being read') return view;
  }
}

async function readingJobs(app: TestApp): Promise<Json[]> {
  const { jobs } = await json(app.admin(JOBS));
  return (jobs as Json[]).filter(({ kind }) => kind === 'read-archive');
}

test('an upload is answered before its archive is read, and whoever asks what is inside waits for it', async (t) => {
  const app = await testApp(t, { config: NO_WAIT });
  const form = new FormData();
  form.set('version', '1');
  form.set('lock', 'flask==3.1\n');
  form.set('content', new Blob([BYTES as Uint8Array<ArrayBuffer>]), 'myapp-1.tar.gz');
  const answer = await app.admin('/bundles/myapp', { method: 'POST', body: form });
  assert.deepEqual([answer.status, (await json(answer)).contentsNote], [201, 'being read']);
  assert.equal((await readingJobs(app)).length, 1);
  const file = await app.get(PATH);
  assert.deepEqual(Buffer.from(await file.arrayBuffer()), BYTES);
  const paths = [
    'myapp/1',
    'myapp',
    'myapp/@latest',
    'myapp/1/sbom',
    '?contains=flask',
    'myapp/diff?from=1&to=@latest',
  ];
  const answers = await Promise.all(paths.map((path) => json(app.get(`/bundles/${path}`))));
  const [view = {}, list = {}, channel = {}, bom = {}, found = {}, diff = {}] = answers;
  for (const one of [view, ...(list.versions as Json[]), channel]) assert.deepEqual(names(one), ['flask==3.0']);
  assert.deepEqual((view.lock as Json).differs, [{ name: 'flask', vendored: '3.0', locked: '3.1' }]);
  assert.deepEqual([(bom.components as Json[]).length, (found.found as Json[]).length], [1, 1]);
  assert.deepEqual(diff.changed, []);
  assert.deepEqual(await readingJobs(app), [], 'nothing is left to do');
});

test('the same bytes again, and a deletion, are as good while the archive is being read', async (t) => {
  const app = await testApp(t, { config: NO_WAIT });
  await pushed(app);
  assert.equal((await app.admin(PATH, { method: 'PUT', body: BYTES })).status, 200);
  assert.equal((await app.admin('/bundles/myapp/1', { method: 'DELETE' })).status, 204);
  const other = await app.admin('/bundles/myapp/2/myapp-2.tar.gz', { method: 'PUT', body: BYTES });
  assert.equal(other.status, 201);
  // By then the other readings are over too.
  assert.deepEqual(names(await json(app.get('/bundles/myapp/2'))), ['flask==3.0']);
  assert.equal((await app.get('/bundles/myapp/1')).status, 404);
  const found = (await json(app.get('/bundles/?contains=flask'))).found as Json[];
  assert.deepEqual(
    found.map(({ version }) => version),
    ['2'],
  );
  assert.equal((await app.admin(PATH, { method: 'PUT', body: BYTES })).status, 201);
  assert.deepEqual(names(await json(app.get('/bundles/myapp/1'))), ['flask==3.0']);
});

test('who may refuse an archive reads it first', async (t) => {
  const app = await testApp(t, { config: { bundles: { contentsWait: '0s', unreadable: 'refuse' } } });
  const refused = await app.admin(PATH, { method: 'PUT', body: BYTES.subarray(0, -20) });
  assert.equal(refused.status, 400);
  const answer = await app.admin(PATH, { method: 'PUT', body: BYTES });
  assert.deepEqual([answer.status, names(await json(answer))], [201, ['flask==3.0']]);
});

test('what a server that stops was reading is read after the next start, from the store', async (t) => {
  const app = await testApp(t, { config: NO_WAIT });
  await pushed(app);
  const next = await app.restart();
  assert.deepEqual(names(await known(next)), ['flask==3.0']);
  assert.equal(((await json(next.get('/bundles/?contains=flask==3.0'))).found as Json[]).length, 1);
  assert.deepEqual(await readdir(join(next.dataDir, 'spool')), []);
});

test('bytes that are gone by then are told of', async (t) => {
  const app = await testApp(t, { config: NO_WAIT });
  await pushed(app);
  await app.stop();
  await rm(join(app.dataDir, 'blobs'), { recursive: true });
  const view = await known(await app.restart());
  assert.equal(view.contentsNote, 'unreadable: its bytes are missing in the storage');
});

test('what a killed server was reading is read after the next start', async (t) => {
  const server = await testServer(t, { config: NO_WAIT });
  const headers = { authorization: `Bearer ${server.token}` };
  await pushed({ admin: (path, init = {}) => server.get(path, { ...init, headers }) });
  await server.stop('SIGKILL');
  await server.start();
  assert.deepEqual(names(await known(server)), ['flask==3.0']);
});

test('another node says that the archive is being read, and reads it when the first has died', {
  skip: engines.skip,
}, async (t) => {
  const cellar = await engines.cellar(t);
  const clock = new FakeClock(Date.now());
  const survivor = await cellar.node({ clock, config: NO_WAIT });
  const victim = await cellar.program({ config: NO_WAIT });
  const headers = { authorization: `Bearer ${victim.token}` };
  await pushed({ admin: (path, init = {}) => victim.get(path, { ...init, headers }) });
  await victim.stop('SIGKILL');
  const view = await json(survivor.get('/bundles/myapp/1'));
  assert.deepEqual([view.contents, view.contentsNote], [null, 'being read']);
  assert.equal((await survivor.get('/bundles/myapp/1/sbom')).status, 409);
  const state = async () => (await cellar.query("SELECT state FROM job WHERE kind = 'read-archive'"))[0]?.state;
  assert.equal(await state(), 'queued');
  // The job's lease is by this clock too: time stands still while it runs.
  await clock.advance(60_000, { wakes: false });
  while ((await state()) === 'queued') await clock.advance(1_000);
  assert.deepEqual(names(await known(survivor)), ['flask==3.0']);
  assert.equal(((await json(survivor.get('/bundles/?contains=flask'))).found as Json[]).length, 1);
});
