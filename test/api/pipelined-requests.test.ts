import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { bearer } from '../support/test-access.ts';
import { testApp } from '../support/test-app.ts';
import { makeWheel } from '../support/wheel.ts';

/** Sends bytes on a new connection; `answer` is all that came until the server closed it. */
function sent(url: string, request: string): { readonly socket: Socket; readonly answer: Promise<string> } {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  const answer = new Promise<string>((resolve) => {
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
    // A connection that is cut may be reset: what came before is what counts.
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
  });
  socket.write(request);
  return { socket, answer };
}

const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;
const LAST = 'Connection: close\r\n';

describe('requests that do not wait for the answers to earlier ones', () => {
  it('are answered in their order, all of them', async (t) => {
    const app = await testApp(t);
    const paths = Array.from({ length: 30 }, (_, at) => (at % 3 === 0 ? '/livez' : `/problems/no-such-${at}`));
    const request = paths.map((path, at) => get(path, at === paths.length - 1 ? LAST : '')).join('');
    const statuses = (await sent(app.url, request).answer).match(/HTTP\/1\.1 \d{3}/g);
    assert.deepEqual(
      statuses,
      paths.map((path) => (path === '/livez' ? 'HTTP/1.1 200' : 'HTTP/1.1 404')),
    );
  });

  it('are begun one at a time', async (t) => {
    const up = await fakeUpstream(t);
    const { promise: hold, resolve: release } = Promise.withResolvers<void>();
    for (const name of ['first', 'second']) up.project(name).add(makeWheel({ name, version: '1.0' }));
    up.order('/simple/first/', { hold });
    const app = await testApp(t, { upstream: up.url });
    const { answer } = sent(app.url, get('/simple/first/') + get('/simple/second/', LAST));
    await up.waitFor('/simple/first/');
    await app.get('/simple/other/');
    assert.equal(up.requests('/simple/second/'), 0);
    release();
    assert.equal((await answer).match(/HTTP\/1\.1 200/g)?.length, 2);
    assert.equal(up.requests('/simple/second/'), 1);
  });

  it('are not begun once an answer has said that the connection ends', { timeout: 60_000 }, async (t) => {
    const up = await fakeUpstream(t);
    const { promise: hold, resolve: release } = Promise.withResolvers<void>();
    up.project('first').add(makeWheel({ name: 'first', version: '1.0' }));
    up.order('/simple/first/', { hold });
    const app = await testApp(t, { upstream: up.url });
    const body = JSON.stringify({ name: 'behind', can: ['read'] });
    const more =
      `Authorization: ${bearer(app.token)}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${body.length}\r\n`;
    const behind = `POST /admin/tokens HTTP/1.1\r\nHost: a\r\n${more}\r\n${body}`;
    const { answer } = sent(app.url, get('/simple/first/') + behind);
    await up.waitFor('/simple/first/');
    // Each answer says so from now on.
    const stopped = app.stop();
    release();
    assert.equal((await answer).match(/HTTP\/1\.1 \d+/g)?.join(), 'HTTP/1.1 200');
    await stopped;
    const again = await app.restart();
    const { tokens } = (await (await again.admin('/admin/tokens')).json()) as { tokens: { name: string }[] };
    assert.equal(tokens.filter(({ name }) => name === 'behind').length, 0);
  });

  it('cannot be sent by the thousand: the connection ends, and everybody else is served', async (t) => {
    const app = await testApp(t);
    const { answer } = sent(app.url, get('/problems/').repeat(3_000) + get('/livez', LAST));
    const answers = (await answer).match(/HTTP\/1\.1 /g)?.length ?? 0;
    assert.ok(answers <= 101, `${answers} answers`);
    assert.equal((await app.get('/livez')).status, 200);
    const about = app.logged.filter(({ msg }) => /too many requests ahead/.test(String(msg)));
    assert.deepEqual(
      about.map(({ from }) => from),
      ['127.0.0.1'],
    );
    assert.ok(app.logged.filter(({ msg }) => msg === 'request').length <= 102);
  });
});
