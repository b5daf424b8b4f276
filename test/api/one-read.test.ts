import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { FakeClock } from '../support/fake-clock.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { startSharedEngines } from '../support/many-nodes.ts';
import { multipart, multipartHeaders, partsOf } from '../support/multipart.ts';
import { makeWheel } from '../support/wheel.ts';

const engines = await startSharedEngines();
after(() => engines.stop());

const JSON_TYPE = 'application/vnd.pypi.simple.v1+json';
/** The end of a job that has just run, and the look for the next. */
const OF_JOBS = /"job|(?:statement|execute [^:]*): (?:BEGIN|COMMIT|ROLLBACK)/;
const hosted = makeWheel({ name: 'ours', version: '1.0' });
const proxied = makeWheel({ name: 'demo', version: '1.0' });

describe('a hot request costs the database one statement', { skip: engines.skip }, () => {
  it('whichever repository of the index answers, with a token as without', async (t) => {
    const { node, statements, headers } = await stage(t);
    const hot = [
      '/simple/ours/',
      '/simple/demo/',
      `/simple/ours/${hosted.filename}`,
      `/simple/demo/${proxied.filename}`,
      `/simple/ours/${hosted.filename}.metadata`,
      `/simple/demo/${proxied.filename}.metadata`,
    ];
    for (const path of hot) {
      for (const own of headers) {
        const ask = async (conditions = {}) => {
          const answer = await node.get(path, { headers: { accept: JSON_TYPE, ...own, ...conditions } });
          await answer.arrayBuffer();
          return answer;
        };
        const etag = (await ask()).headers.get('etag') ?? '';
        for (const [status, conditions] of [
          [200, {}],
          [304, { 'if-none-match': etag }],
        ] as const) {
          const sent = await statements(async () => {
            assert.equal((await ask(conditions)).status, status, path);
          });
          assert.equal(sent.length, 1, `${path}: ${sent.join('\n')}`);
          assert.match(sent[0] ?? '', /execute s\d+: with "wanted".* "access_state"\."name" = \$\d+/);
        }
      }
    }
  });

  it('and less when many ask at once', async (t) => {
    const { node, statements, headers } = await stage(t);
    const [, token] = headers;
    await (await node.get('/simple/demo/', { headers: { ...token } })).arrayBuffer();
    const sent = await statements(async () => {
      const asked = Array.from({ length: 40 }, () => node.get('/simple/demo/', { headers: { ...token } }));
      for (const answer of await Promise.all(asked)) assert.equal(answer.status, 200);
    });
    assert.ok(sent.length < 40, `${sent.length} statements`);
  });
});

it('a list of applications costs as many statements as one alone', { skip: engines.skip }, async (t) => {
  const { node, statements } = await stage(t);
  const counts: number[] = [];
  for (const app of ['one', 'two', 'three']) {
    const made = await node.admin(`/bundles/${app}/1.0/${app}-1.0.bin`, { method: 'PUT', body: app });
    assert.equal(made.status, 201);
    const sent = await statements(async () => {
      const { bundles } = (await (await node.admin('/bundles/')).json()) as { bundles: { latest: string }[] };
      assert.deepEqual(new Set(bundles.map(({ latest }) => latest)), new Set(['1.0']));
      assert.equal(bundles.length, counts.length + 1);
    });
    counts.push(sent.length);
  }
  assert.equal(new Set(counts).size, 1, `${counts.join(', ')} statements`);
});

/** A node with a hosted and a proxied project, that has served all of both, and a way to see what the server of the database is sent. */
async function stage(t: Parameters<typeof engines.cellar>[0]) {
  const up = await fakeUpstream(t);
  up.project('demo').add(proxied);
  const cellar = await engines.cellar(t);
  const log = join(cellar.databaseDir, 'log');
  await cellar.query(`ALTER DATABASE ${cellar.database} SET log_statement = 'all'`);
  // A clock that stands still: nothing is asked but for requests.
  const node = await cellar.node({ upstream: up.url, clock: new FakeClock(Date.now()) });
  const body = multipart(partsOf(hosted));
  await node.admin('/legacy/', { method: 'POST', headers: multipartHeaders(body), body });
  const made = await node.admin('/admin/tokens', {
    method: 'POST',
    body: JSON.stringify({ name: 'reader', can: ['read'] }),
  });
  const { token } = (await made.json()) as { token: string };
  for (const path of ['/simple/ours/', '/simple/demo/', `/simple/demo/${proxied.filename}`]) {
    await (await node.get(path)).arrayBuffer();
  }
  // What is scheduled runs at the start; afterwards jobs are only looked for.
  while ((await cellar.query("SELECT id FROM job WHERE state IN ('queued', 'running')")).length > 0);
  return {
    node,
    headers: [{}, { authorization: `Bearer ${token}` }] as const,
    statements: async (work: () => Promise<void>): Promise<string[]> => {
      const before = (await readFile(log, 'utf8')).length;
      await work();
      const written = (await readFile(log, 'utf8')).slice(before);
      return written.split('\n').filter((line) => /LOG: {2}(?:execute|statement)/.test(line) && !OF_JOBS.test(line));
    },
  };
}
