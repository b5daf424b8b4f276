import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { startSharedEngines } from '../support/many-nodes.ts';
import { multipart, multipartHeaders, partsOf } from '../support/multipart.ts';
import { deployedConfiguration, nginxProgram, startNginx, whyNoNginx } from '../support/nginx.ts';
import { skipOrFail } from '../support/skip.ts';
import { ADMIN_TOKEN } from '../support/test-config.ts';
import { makeWheel } from '../support/wheel.ts';

const engines = await startSharedEngines();
after(() => engines.stop());
const skip = skipOrFail(whyNoNginx());
const authorization = `Bearer ${ADMIN_TOKEN}`;

describe('deploy/nginx.conf', () => {
  it('is what nginx understands', { skip }, async (t) => {
    const dir = await deployedConfiguration(t, { nodes: ['http://127.0.0.1:1', 'http://127.0.0.1:2'] });
    const args = ['-t', '-p', dir, '-c', 'nginx.conf', '-e', 'stderr'];
    const { stderr } = await promisify(execFile)(nginxProgram() ?? '', args);
    assert.match(stderr, /test is successful/);
    assert.doesNotMatch(stderr, /\[(warn|emerg)\]/);
  });

  it('stands in front of two nodes, whichever of them lives and whatever upstream does', {
    skip: skip || engines.skip,
  }, async (t) => {
    const upstream = await fakeUpstream(t);
    const known = makeWheel({ name: 'known', version: '1.0' });
    upstream.project('known').add(known);
    const cellar = await engines.cellar(t);
    const options = { upstream: upstream.url, config: { trustProxy: ['127.0.0.1'] } };
    const nodes = [await cellar.program(options), await cellar.program(options)];
    const url = await startNginx(t, { nodes: nodes.map((node) => node.url) });
    const status = async (path: string, init: RequestInit = {}): Promise<number> => {
      const answer = await fetch(url + path, init);
      await answer.arrayBuffer();
      return answer.status;
    };
    assert.equal(await status(`/simple/known/${known.filename}`), 200);
    for (const [index, path] of ['/legacy/', '/legacy', '/index/main/legacy/'].entries()) {
      const body = multipart(partsOf(makeWheel({ name: 'mine', version: `${index}.0` })));
      assert.equal(
        await status(path, { method: 'POST', headers: { ...multipartHeaders(body), authorization }, body }),
        200,
        path,
      );
    }
    // curl -T sends no length when it reads a pipe: the body goes on as it comes.
    const archive = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let part = 0; part < 50; part += 1) controller.enqueue(new Uint8Array(64 * 1024).fill(part));
        controller.close();
      },
    });
    const put = { method: 'PUT', headers: { authorization }, body: archive, duplex: 'half' as const };
    assert.equal(await status('/bundles/shop/1.0/shop-1.0.bin', put), 201);
    const events = await (
      await fetch(`${url}/admin/events?kind=bundle-uploaded`, { headers: { authorization } })
    ).text();
    assert.match(events, /"address":"127\.0\.0\.1"/);

    await upstream.refuse();
    // What nobody has is 502 or 503 from both nodes, and takes neither of them away from who asks for what is kept.
    for (let round = 0; round < 20; round += 1) {
      assert.ok([502, 503].includes(await status(`/simple/unknown-${round}/`)));
      assert.equal(await status('/simple/known/'), 200);
      assert.equal(await status(`/simple/known/${known.filename}`), 200);
    }
    await nodes[0]?.stop('SIGKILL');
    for (let round = 0; round < 20; round += 1) {
      assert.equal(await status('/simple/mine/'), 200);
      const body = multipart(partsOf(makeWheel({ name: 'mine', version: `1${round}.0` })));
      assert.equal(
        await status('/legacy/', { method: 'POST', headers: { ...multipartHeaders(body), authorization }, body }),
        200,
      );
    }
  });
});
