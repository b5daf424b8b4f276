import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../support/fake-clock.ts';
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts';
import { type RawResponse, rawRequest } from '../support/raw-request.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { makeWheel } from '../support/wheel.ts';
import { whileTimePasses } from '../support/while-time-passes.ts';

type Context = Parameters<typeof fakeUpstream>[0];

const wheel = makeWheel({ name: 'demo', version: '1.0', padding: 5_000 });
const local = makeWheel({ name: 'demo', version: '1!2.0+cpu.1' });
const unstored = makeWheel({ name: 'demo', version: '3.0' });
const JSON_TYPE = 'application/vnd.pypi.simple.v1+json';

interface Stage {
  readonly up: FakeUpstream;
  readonly app: TestApp;
  readonly clock: FakeClock;
}

async function stage(t: Context, config: Record<string, unknown> = {}): Promise<Stage> {
  const up = await fakeUpstream(t);
  up.project('demo').add(wheel).add(local).add(unstored);
  up.project('shut').add(makeWheel({ name: 'shut', version: '1.0' }));
  up.project('shut').mark('quarantined', 'malware');
  const clock = new FakeClock();
  const app = await testApp(t, { upstream: up.url, clock, config });
  for (const file of [wheel, local]) await (await app.admin(`/simple/demo/${file.filename}`)).arrayBuffer();
  for (const path of ['', `${wheel.filename}.metadata`]) await app.admin(`/simple/demo/${path}`);
  await app.admin('/simple/shut/');
  return { up, app, clock };
}

/** The plain address goes the short way; the same with a query or a second slash through Express. */
const LONG_WAYS = [(path: string) => `${path}?x`, (path: string) => path.replace('/simple/', '/simple//')];

const PATHS = [
  '/simple/demo/',
  '/simple/missing/',
  '/simple/shut/',
  `/simple/demo/${wheel.filename}`,
  `/simple/demo/${local.filename}`,
  `/simple/demo/${wheel.filename}.metadata`,
  '/simple/demo/demo-9.0-py3-none-any.whl',
  '/simple/demo/demo-9.0-py3-none-any.whl.metadata',
  '/simple/missing/missing-1.0.tar.gz',
  '/simple/shut/shut-1.0-py3-none-any.whl',
  `/simple/demo/${'a'.repeat(251)}`,
];

const HEADERS: readonly Record<string, string>[] = [
  {},
  { accept: JSON_TYPE },
  { accept: JSON_TYPE, 'accept-encoding': 'gzip' },
  { accept: 'application/json' },
  { 'if-none-match': '*' },
  { 'if-none-match': `"${wheel.sha256}"` },
  { range: 'bytes=1-5' },
  { range: 'bytes=-3', 'if-range': '"other"' },
  { range: 'bytes=999999-' },
  { authorization: 'Basic bm9ib2R5Om5vdGhpbmc=' },
  { authorization: 'Bearer nothing' },
  { 'user-agent': 'pip/26.3 {}' },
  { origin: 'https://page.example', 'sec-fetch-site': 'cross-site' },
];

function shown({ status, statusMessage, headers, body }: RawResponse): object {
  const { 'x-request-id': id, date: _, ...rest } = headers;
  return { status, statusMessage, headers: rest, body: body.replaceAll(String(id), 'ID') };
}

async function agree(
  { url }: TestApp,
  requests: readonly (readonly [string, Record<string, string>])[],
): Promise<number[]> {
  const statuses = new Set<number>();
  for (const [path, headers] of requests)
    for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS']) {
      const ask = (at: string) => rawRequest(url, { method, path: at, headers });
      const plain = await ask(path);
      statuses.add(plain.status);
      for (const way of LONG_WAYS) {
        const longer = await ask(way(path));
        assert.deepEqual(shown(longer), shown(plain), `${method} ${way(path)} ${JSON.stringify(headers)}`);
      }
    }
  return [...statuses].sort();
}

const ALL = PATHS.flatMap((path) => HEADERS.map((headers) => [path, headers] as const));

test('the short way and the long way give the same answers', async (t) => {
  const { app } = await stage(t, { access: { anonymous: ['read'], failuresPerMinute: 1_000_000 } });
  assert.deepEqual(await agree(app, ALL), [200, 204, 206, 304, 401, 403, 404, 405, 416]);
});

test('on a closed server as well', async (t) => {
  const { app } = await stage(t, { access: { anonymous: [], failuresPerMinute: 1_000_000 } });
  assert.deepEqual(await agree(app, ALL), [401]);
  const authorization = `Bearer ${app.token}`;
  const some = ALL.filter(([, headers]) => !('authorization' in headers));
  const known = some.map(([path, headers]) => [path, { ...headers, authorization }] as const);
  assert.deepEqual(await agree(app, known), [200, 204, 206, 304, 403, 404, 405, 416]);
});

test('and in an outage', async (t) => {
  const { up, app, clock } = await stage(t);
  await up.refuse();
  await clock.advance(11 * 60_000);
  await whileTimePasses(clock, app.get('/simple/never-asked/'));
  const paths = [
    '/simple/demo/',
    '/simple/never-asked/',
    `/simple/demo/${unstored.filename}`,
    `/simple/demo/${wheel.filename}`,
  ];
  const agents = [{}, { accept: JSON_TYPE }, { 'user-agent': 'pip/26.3 {}' }];
  const requests = paths.flatMap((path) => agents.map((headers) => [path, headers] as const));
  assert.deepEqual(await agree(app, requests), [200, 204, 405, 502, 503, 504]);
});
