import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { bearer } from '../support/test-access.ts';
import { testApp } from '../support/test-app.ts';

const { setTimeout: wait } = Socket.prototype;

// Two minutes are a moment here.
before(() => {
  Socket.prototype.setTimeout = function shortened(this: Socket, ms: number, done?: () => void) {
    return wait.call(this, ms === 120_000 ? 20 : ms, done);
  };
});

after(() => {
  Socket.prototype.setTimeout = wait;
});

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
    await once(socket.resume(), 'close');
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
