import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testServer } from '../support/test-server.ts';

const wrong: readonly (readonly [method: string, path: string, allow: string])[] = [
  ['DELETE', '/livez', 'GET, HEAD'],
  ['POST', '/metrics', 'GET, HEAD'],
  ['POST', '/bundles/', 'GET, HEAD'],
  ['DELETE', '/bundles/shop', 'GET, HEAD, POST'],
  ['PATCH', '/bundles/shop/1.0', 'DELETE, GET, HEAD'],
  ['GET', '/bundles/shop/channels/production/rollback', 'POST'],
  ['POST', '/bundles/shop/channels/production', 'DELETE, GET, HEAD, PUT'],
  ['PATCH', '/bundles/shop/retention', 'DELETE, GET, HEAD, PUT'],
  ['POST', '/bundles/shop/diff', 'GET, HEAD'],
  ['DELETE', '/bundles/shop/1.0/sbom', 'GET, HEAD'],
  ['POST', '/bundles/shop/1.0/sha256', 'GET, HEAD'],
  ['DELETE', '/bundles/shop/1.0/lock', 'GET, HEAD'],
  ['DELETE', '/bundles/shop/@latest/download', 'GET, HEAD'],
  ['DELETE', '/bundles/shop/1.0/shop.tar.gz', 'GET, HEAD, PUT'],
  ['GET', '/admin/mirror', 'POST'],
  ['GET', '/admin/drill', 'POST'],
  ['PUT', '/admin/tokens', 'GET, HEAD, POST'],
  ['GET', '/admin/tokens/1', 'DELETE'],
  ['DELETE', '/admin/events', 'GET, HEAD'],
  ['POST', '/admin/stats', 'GET, HEAD'],
  ['GET', '/admin/projects/demo/refresh', 'POST'],
  ['GET', '/admin/gc', 'POST'],
];

test('a method that an address does not take is 405, and Allow says what it takes', async (t) => {
  const server = await testServer(t);
  const headers = { authorization: `Bearer ${server.token}` };

  for (const [method, path, allow] of wrong) {
    const answer = await server.get(path, { method, headers });
    const problem = (await answer.json()) as { status: number; type: string };
    assert.equal(answer.status, 405, `${method} ${path}`);
    assert.equal(answer.headers.get('allow'), allow, `${method} ${path}`);
    assert.equal(problem.type, '/problems/method-not-allowed');
  }
});

test('OPTIONS tells every method of an address, whichever part of the server has it', async (t) => {
  const server = await testServer(t);

  const answer = await server.get('/bundles/shop/1.0', { method: 'OPTIONS' });

  assert.equal(answer.status, 204);
  assert.equal(answer.headers.get('allow'), 'DELETE, GET, HEAD, OPTIONS');
});

test('an address that there is not stays 404 for every method, and 401 for who may not read', async (t) => {
  const open = await testServer(t);
  for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS']) {
    assert.equal((await open.get('/no/such/address', { method })).status, 404, method);
  }

  const closed = await testServer(t, { config: { access: { anonymous: [] } } });
  for (const [method, path] of wrong.slice(1)) assert.equal((await closed.get(path, { method })).status, 401, path);
  assert.equal((await closed.get('/bundles/shop/1.0', { method: 'OPTIONS' })).status, 401);
});
