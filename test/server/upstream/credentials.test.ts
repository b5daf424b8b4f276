import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { authorizationOf } from '../../../server/upstream/credentials.ts';
import { fakeUpstream } from '../../support/fake-upstream.ts';
import { makeWheel } from '../../support/wheel.ts';
import { anUpstream, DEMO, problem } from './an-upstream.ts';

const wheel = makeWheel({ name: 'demo', version: '1.0' });
const credentials = { user: 'ann', password: 'p@ss/w:rd%' };

function withUser(url: string): string {
  const address = new URL(url);
  address.username = credentials.user;
  address.password = encodeURIComponent(credentials.password);
  return address.href;
}

test('user and password in the address go to the index, and nowhere else', async (t) => {
  const up = await fakeUpstream(t, { credentials, files: 'other' });
  const other = await fakeUpstream(t);
  up.project('demo').add(wheel);
  other.project('demo').add(wheel);
  const { upstream } = await anUpstream(t, withUser(up.url));
  const page = await upstream.page(DEMO);
  assert.ok(typeof page === 'object');
  assert.equal(page.url.username, '');
  const target = { project: DEMO, filename: wheel.filename, url: new URL(`${up.filesUrl}${wheel.filename}`) };
  const { body } = await upstream.download(target, { signal: new AbortController().signal });
  body.destroy();
  assert.equal(up.seen('/files/*')[0]?.headers.authorization, undefined, 'another port is another origin');
  up.order('/simple/demo/', { redirect: `${other.url}demo/` });
  await upstream.page(DEMO);
  assert.equal(other.seen('/simple/demo/')[0]?.headers.authorization, undefined);
  up.order('/simple/demo/', { redirect: `http://eve:secret@${new URL(other.url).host}/simple/demo/` });
  await upstream.page(DEMO);
  assert.equal(other.seen('/simple/demo/')[1]?.headers.authorization, undefined, 'a redirect brings no credentials');
});

test('of several indexes on one server each has its own, for its files as well', () => {
  const at = (path: string, user = '') => new URL(`https://${user}nexus.example/${path}`);
  const authorization = authorizationOf([
    at('py-a/simple/', 'ann:a@'),
    at('py-a/b/+simple', 'bob:b@'),
    at('c/simple/'),
  ]);
  const header = (user: string) => `Basic ${Buffer.from(user).toString('base64')}`;
  for (const [path, user] of Object.entries({
    'py-a/simple/demo/': 'ann:a',
    'py-a/packages/demo-1.0.zip': 'ann:a',
    'py-a/b/+simple/demo/': 'bob:b',
    'py-a/b/+f/demo-1.0.zip': 'bob:b',
    'c/simple/demo/': 'ann:a',
    '': 'ann:a',
  }))
    assert.equal(authorization(at(path)), header(user), path);
  for (const other of ['http://nexus.example/py-a/', 'https://nexus.example:8443/py-a/', 'https://files.example/'])
    assert.equal(authorization(new URL(other)), undefined, other);
});

test('they can be given beside the address', async (t) => {
  const up = await fakeUpstream(t, { credentials });
  const { upstream } = await anUpstream(t, up.url, {
    credentials: { username: credentials.user, password: credentials.password },
  });
  assert.equal(await upstream.page(DEMO), 'absent');
});

test('they are never said: not in problems, health or the log', async (t) => {
  const up = await fakeUpstream(t, { credentials: { user: 'other', password: 'other' } });
  const lines: string[] = [];
  const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const { upstream } = await anUpstream(t, withUser(up.url), { log, failuresToOpen: 1 });
  const said = await upstream.page(DEMO).catch((error: unknown) => error);
  assert.ok(problem('upstream-unavailable', /answered 401/)(said));
  log.warn({ err: said }, 'as the server would log it');
  assert.ok(lines.length >= 2);
  const all = `${lines.join('')}${JSON.stringify(upstream.health())}`;
  for (const secret of ['p@ss', 'p%40ss', 'Basic ', Buffer.from(`ann:${credentials.password}`).toString('base64')]) {
    assert.equal(all.includes(secret), false, secret);
  }
});
