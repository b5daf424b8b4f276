import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, Socket } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { bearer } from '../support/test-access.ts';
import { testApp } from '../support/test-app.ts';
import { makeWheel } from '../support/wheel.ts';

const { setTimeout: wait } = Socket.prototype;
// Two minutes are a moment here.
let areMinutesShort = true;
let onIdle = () => {};
const ring = () => onIdle();

before(() => {
  Socket.prototype.setTimeout = function watched(this: Socket, ms: number, done?: () => void) {
    if (ms !== 120_000 || !areMinutesShort) return wait.call(this, ms, done);
    this.off('timeout', ring).once('timeout', ring);
    return wait.call(this, 20, done);
  };
});

beforeEach(() => {
  areMinutesShort = true;
});

after(() => {
  Socket.prototype.setTimeout = wait;
});

/** Resolves when the server has cut the connection, which may be by a reset. */
function ended(socket: Socket): Promise<unknown> {
  socket.on('error', () => {});
  return once(socket.resume(), 'close');
}

const ROUTES: readonly (readonly [method: string, path: string, type: string])[] = [
  ['POST', '/_/oidc/mint-token', 'application/json'],
  ['POST', '/_/oidc/burn-token', 'application/json'],
  ['POST', '/admin/tokens', 'application/json'],
  ['POST', '/admin/mirror', 'application/json'],
  ['POST', '/admin/drill?name=requirements.txt', 'text/plain'],
  ['POST', '/admin/import', 'application/json'],
  ['PUT', '/bundles/myapp/channels/live', 'application/json'],
  ['PUT', '/bundles/myapp/1.0/myapp.tar', 'application/x-tar'],
  ['POST', '/bundles/myapp', 'multipart/form-data; boundary=x'],
  ['POST', '/legacy/', 'multipart/form-data; boundary=x'],
];

test('a body that is announced and does not come is not waited for without end', { timeout: 60_000 }, async (t) => {
  const app = await testApp(t);
  for (const [method, path, type] of ROUTES) {
    const socket = connect(Number(new URL(app.url).port), '127.0.0.1');
    const authorization = path.startsWith('/_/') ? '' : `Authorization: ${bearer(app.token)}\r\n`;
    socket.write(
      `${method} ${path} HTTP/1.1\r\nHost: a\r\n${authorization}Content-Type: ${type}\r\nContent-Length: 300\r\n\r\n{`,
    );
    await ended(socket);
  }
  assert.equal((await app.get('/livez')).status, 200);
  await app.stop();
  const cut = app.logged.filter(({ msg, cut: isCut }) => msg === 'request' && isCut === true);
  assert.equal(cut.length, ROUTES.length);
  assert.deepEqual(
    app.logged.filter(({ level }) => Number(level) >= 40),
    [],
  );
});

test('an answer that is not read is not held for ever', { timeout: 60_000 }, async (t) => {
  areMinutesShort = false;
  const app = await testApp(t);
  // More than fits into the buffers of a connection.
  const body = Buffer.alloc(32 * 1024 * 1024, 'x');
  assert.equal((await app.admin('/bundles/myapp/1.0/myapp.bin', { method: 'PUT', body })).status, 201);
  areMinutesShort = true;
  const socket = connect(Number(new URL(app.url).port), '127.0.0.1');
  socket.on('error', () => {});
  socket.write('GET /bundles/myapp/1.0/myapp.bin HTTP/1.1\r\nHost: a\r\n\r\n');
  const cut = () =>
    app.logged.some(({ msg, path, cut: isCut }) => msg === 'request' && isCut && /bin$/.test(`${path}`));
  while (!cut()) await app.get('/livez');
  socket.destroy();
});

test('who waits for us is not cut off, and goes on over the same connection', { timeout: 60_000 }, async (t) => {
  const up = await fakeUpstream(t);
  const { promise: hold, resolve: release } = Promise.withResolvers<void>();
  up.project('slow').add(makeWheel({ name: 'slow', version: '1.0' }));
  up.order('/simple/slow/', { hold });
  const app = await testApp(t, { upstream: up.url });
  const socket = connect(Number(new URL(app.url).port), '127.0.0.1');
  const idle = new Promise<void>((resolve) => {
    onIdle = resolve;
  });
  socket.write('GET /simple/slow/ HTTP/1.1\r\nHost: a\r\n\r\n');
  await up.waitFor('/simple/slow/');
  await idle;
  release();
  assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 200 /);
  socket.write('GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 200 /);
  await ended(socket);
});
