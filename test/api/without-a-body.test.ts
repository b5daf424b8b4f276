import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { type TestApp, testApp } from '../support/test-app.ts';

const FORM = 'multipart/form-data; boundary=x';
const JSON_TYPE = 'application/json';

const REQUESTS: readonly (readonly [method: string, path: string, contentType: string, status: number])[] = [
  ['POST', '/legacy/', FORM, 400],
  ['POST', '/bundles/shop', FORM, 400],
  ['PUT', '/bundles/shop/1.0/shop-1.0.tar.gz', 'application/gzip', 400],
  ['PUT', '/bundles/shop/channels/production', JSON_TYPE, 400],
  ['POST', '/bundles/shop/channels/production/rollback', JSON_TYPE, 404],
  ['PUT', '/bundles/shop/retention', JSON_TYPE, 400],
  ['POST', '/admin/tokens', JSON_TYPE, 400],
  ['POST', '/admin/mirror', FORM, 400],
  ['POST', '/admin/mirror', 'text/plain', 400],
  ['POST', '/admin/drill', 'text/plain', 400],
  ['POST', '/admin/import', JSON_TYPE, 400],
  ['POST', '/admin/gc', JSON_TYPE, 202],
];

test('a request that has no body, and says no length, waits for none', async (t) => {
  const server = await testApp(t);

  for (const [method, path, contentType, status] of REQUESTS) {
    const answer = await bare(server, `${method} ${path}`, contentType);
    assert.equal(answer.slice(0, 12), `HTTP/1.1 ${status}`, `${method} ${path} ${contentType}: ${answer}`);
  }
});

/** The answer to a request that has neither a body nor a header about one; clients send `Content-Length: 0` on their own. */
async function bare({ url, token }: TestApp, line: string, contentType: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  const head = [`${line} HTTP/1.1`, 'Host: index.test', 'Connection: close', `Authorization: Bearer ${token}`];
  socket.write([...head, `Content-Type: ${contentType}`, '', ''].join('\r\n'));
  return text(socket);
}
