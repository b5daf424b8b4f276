import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeBundle } from '../support/bundle.ts';
import { testApp } from '../support/test-app.ts';

type Json = Record<string, unknown>;

async function json(response: Promise<Response>): Promise<Json> {
  return (await (await response).json()) as Json;
}

test('a + in an address is that of a version, encoded or not', async (t) => {
  const app = await testApp(t);
  const put = (version: string, torch: string) =>
    app.admin(`/bundles/myapp/${version}/app.tar.gz`, {
      method: 'PUT',
      body: makeBundle('myapp', version, { torch }).bytes,
    });
  assert.equal((await put('1.0+cpu', '2.1.0+cpu')).status, 201);
  assert.equal((await put('1.1', '2.2.0+cpu')).status, 201);
  for (const plus of ['+', '%2B']) {
    const { found } = await json(app.get(`/bundles/?contains=torch==2.1.0${plus}cpu`));
    assert.deepEqual(
      (found as Json[]).map(({ version }) => version),
      ['1.0+cpu'],
    );
    const diff = await json(app.get(`/bundles/myapp/diff?from=1.0${plus}cpu&to=1.1`));
    assert.deepEqual(diff.changed, [{ name: 'torch', from: '2.1.0+cpu', to: '2.2.0+cpu' }]);
    const after = await json(app.get(`/bundles/myapp?after=1.0${plus}cpu`));
    assert.deepEqual(after.versions, []);
  }
});

test('a label in a header is the UTF-8 that curl sends, or Latin-1', async (t) => {
  const app = await testApp(t);
  const typed = Buffer.from('größe – 1').toString('latin1');
  for (const [version, tag, stored] of [
    ['1.0', typed, 'größe – 1'],
    ['1.1', 'größe', 'größe'],
  ] as const) {
    const path = `/bundles/myapp/${version}`;
    const init = { method: 'PUT', body: 'bytes', headers: { Tag: tag } };
    assert.equal((await app.admin(`${path}/app.bin`, init)).status, 201);
    assert.equal((await json(app.get(path))).tag, stored);
  }
});

test('a form that says two things of one is refused; twice the same is once', async (t) => {
  const app = await testApp(t);
  const post = async (fields: readonly (readonly [string, string])[]) => {
    const form = new FormData();
    for (const [name, value] of fields) form.append(name, value);
    form.append('content', new Blob(['bytes']), 'app.bin');
    return (await app.admin('/bundles/myapp', { method: 'POST', body: form })).status;
  };
  for (const name of ['version', 'channel', 'commit', 'buildUrl', 'sha256', 'lock']) {
    const fields = [['version', '1'] as const, [name, 'https://one.example/'] as const];
    assert.equal(await post([...fields, [name, 'https://two.example/']]), 400, name);
  }
  assert.equal((await app.get('/bundles/myapp')).status, 404);
  assert.equal(
    await post([
      ['version', '1'],
      ['version', '1'],
    ]),
    201,
  );
});

test('words of addresses are in lower case; in another they are names', async (t) => {
  const app = await testApp(t);
  for (const version of ['Retention', 'Channels', 'Diff']) {
    const path = `/bundles/myapp/${version}`;
    assert.equal((await app.admin(`${path}/prod`, { method: 'PUT', body: version })).status, 201);
    assert.equal((await json(app.get(path))).version, version);
    assert.equal(await (await app.get(`${path}/prod`)).text(), version);
    assert.equal((await app.admin(path, { method: 'DELETE' })).status, 204);
  }
  assert.equal((await app.get('/Bundles/myapp')).status, 404);
});
