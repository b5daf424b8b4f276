import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { startSharedEngines } from '../support/many-nodes.ts';
import { multipart, multipartHeaders, partsOf } from '../support/multipart.ts';
import { makeWheel } from '../support/wheel.ts';

const engines = await startSharedEngines();
after(() => engines.stop());

describe('a node whose clients fetch files from the store themselves', { skip: engines.skip }, () => {
  it('sends GETs of stored files there, and answers everything else', async (t) => {
    const up = await fakeUpstream(t);
    const [ours, theirs] = ['ours', 'theirs'].map((name) => makeWheel({ name, version: '1.0', padding: 5_000 }));
    assert.ok(ours && theirs);
    up.project('theirs').add(theirs);
    const cellar = await engines.cellar(t);
    const { storage } = cellar.settings() as { storage: Record<string, unknown> };
    const config = { storage: { ...storage, delivery: 'redirect' } };
    const node = await cellar.node({ upstream: up.url, config });
    const body = multipart(partsOf(ours));
    assert.equal((await node.admin('/legacy/', { method: 'POST', headers: multipartHeaders(body), body })).status, 200);

    const cold = await node.get(`/simple/theirs/${theirs.filename}`);
    assert.deepEqual([cold.status, Buffer.from(await cold.arrayBuffer())], [200, theirs.bytes], 'not stored yet');
    for (const file of [ours, theirs]) {
      const path = `/simple/${file.name}/${file.filename}`;
      for (const headers of [{}, { range: 'bytes=2-9' }] as const) {
        const sent = await node.get(path, { headers });
        assert.deepEqual([sent.status, sent.headers.get('cache-control')], [302, 'no-store'], path);
        const location = sent.headers.get('location') ?? '';
        assert.notEqual(new URL(location).origin, node.url);
        const bytes = Buffer.from(await (await fetch(location, { headers })).arrayBuffer());
        assert.deepEqual(bytes, 'range' in headers ? file.bytes.subarray(2, 10) : file.bytes);
      }
      const head = await node.get(path, { method: 'HEAD' });
      assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(file.bytes.length)]);
      const known = await node.get(path, { headers: { 'if-none-match': `"${file.sha256}"` } });
      assert.equal(known.status, 304);
      const metadata = await fetch(`${node.url}${path}.metadata`);
      assert.deepEqual(Buffer.from(await metadata.arrayBuffer()), file.metadata);
      assert.equal((await node.get(`/simple/${file.name}/`)).status, 200);
    }
  });
});
