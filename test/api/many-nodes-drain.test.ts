import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { startSharedEngines } from '../support/many-nodes.ts';
import { multipart, multipartHeaders, partsOf } from '../support/multipart.ts';
import { startNginx, whyNoNginx } from '../support/nginx.ts';
import { skipOrFail } from '../support/skip.ts';
import { ADMIN_TOKEN } from '../support/test-config.ts';
import type { TestServer } from '../support/test-server.ts';
import { type BuiltFile, makeWheel } from '../support/wheel.ts';

const engines = await startSharedEngines();
after(() => engines.stop());
const skip = engines.skip || skipOrFail(whyNoNginx());

const kept = makeWheel({ name: 'demo', version: '1.0', padding: 300_000 });

describe('nodes behind nginx', { skip }, () => {
  it('are stopped and started one after the other under load, and no request fails', async (t) => {
    const { url, nodes } = await behindNginx(t, '');
    const load = startLoad(url);
    t.after(async () => {
      await load.stop();
    });
    for (const node of nodes) {
      await load.answers(60);
      const stopping = node.stop();
      assert.match(await untilStopping(node), /the server is stopping/);
      assert.equal(await stopping, 0);
      await load.answers(60);
      await node.start();
    }
    await load.answers(60);
    const { failures, answered } = await load.stop();
    assert.deepEqual(failures, []);
    assert.ok(answered > 300);
  });

  it('serve the same under a path prefix, and every link holds', async (t) => {
    const { url } = await behindNginx(t, '/cellar');
    assert.ok(url.endsWith('/cellar'));
    assert.equal((await upload(url, makeWheel({ name: 'Mine.Too', version: '1.0' }))).status, 200);
    for (const asked of [
      '/simple/',
      '/simple/demo',
      '/simple/Mine_Too/',
      '/index/main/simple/demo/',
      '/offline/simple/demo/',
    ]) {
      const page = await fetch(url + asked);
      assert.equal(page.status, 200, asked);
      assert.ok(page.url.startsWith(`${url}/`), page.url);
      const links = [...(await page.text()).matchAll(/<a href="([^"]+)"/g)].map(
        ([, href = '']) => new URL(href, page.url),
      );
      assert.ok(links.length > 0, asked);
      for (const link of links) {
        assert.ok(link.href.startsWith(`${url}/`), link.href);
        const answer = await fetch(link);
        assert.equal(answer.status, 200, link.href);
        await answer.arrayBuffer();
      }
    }
  });
});

async function behindNginx(t: Parameters<typeof engines.cellar>[0], prefix: string) {
  const up = await fakeUpstream(t);
  up.project('demo').add(kept);
  const cellar = await engines.cellar(t);
  const options = { upstream: up.url, config: { limits: { minFreeBytes: '0B', stopDelay: '500ms' } } };
  const nodes = [await cellar.program(options), await cellar.program(options)];
  const url = await startNginx(t, { nodes: nodes.map((node) => node.url), prefix });
  assert.equal((await fetch(`${url}/simple/demo/${kept.filename}`)).status, 200);
  return { url, nodes };
}

/** What `/readyz` says of a node that has been told to stop. */
async function untilStopping(node: TestServer): Promise<string> {
  for (;;) {
    const ready = await node.get('/readyz');
    if (ready.status !== 503) continue;
    assert.equal(ready.headers.get('connection'), 'close');
    return await ready.text();
  }
}

/** Clients that ask on and on over connections that are kept alive; one of them uploads. */
function startLoad(url: string) {
  const failures: string[] = [];
  let answered = 0;
  let isOver = false;
  let uploaded = 0;
  const ask = async (what: string, asking: Promise<Response>, expected?: Buffer): Promise<void> => {
    try {
      const answer = await asking;
      const body = Buffer.from(await answer.arrayBuffer());
      if (answer.status !== 200) failures.push(`${what}: ${answer.status} ${body.subarray(0, 200)}`);
      else if (expected !== undefined && !expected.equals(body)) failures.push(`${what}: other bytes`);
    } catch (error) {
      failures.push(`${what}: ${error instanceof Error ? `${error.message} ${String(error.cause)}` : String(error)}`);
    }
    answered += 1;
  };
  const client = async (work: () => Promise<void>): Promise<void> => {
    while (!isOver) await work();
  };
  const file = `/simple/demo/${kept.filename}`;
  const running = [
    client(() => ask('page', fetch(`${url}/simple/demo/`))),
    client(() =>
      ask('page', fetch(`${url}/simple/demo/`, { headers: { accept: 'application/vnd.pypi.simple.v1+json' } })),
    ),
    client(() => ask('file', fetch(url + file), kept.bytes)),
    client(() => ask('file', fetch(url + file), kept.bytes)),
    client(() => ask('metadata', fetch(`${url}${file}.metadata`), kept.metadata)),
    client(() => {
      uploaded += 1;
      return ask('upload', upload(url, makeWheel({ name: 'mine', version: `${uploaded}.0` })));
    }),
  ];
  return {
    /** Resolves when so many more have been answered. */
    answers: async (count: number): Promise<void> => {
      const until = answered + count;
      while (answered < until && failures.length === 0) await new Promise(setImmediate);
    },
    stop: async (): Promise<{ failures: readonly string[]; answered: number }> => {
      isOver = true;
      await Promise.all(running);
      return { failures, answered };
    },
  };
}

function upload(url: string, file: BuiltFile): Promise<Response> {
  const body = multipart(partsOf(file));
  const headers = { ...multipartHeaders(body), authorization: `Bearer ${ADMIN_TOKEN}` };
  return fetch(`${url}/legacy/`, { method: 'POST', headers, body });
}
