import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../support/fake-clock.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { testApp } from '../support/test-app.ts';
import { makeSdist, makeWheel } from '../support/wheel.ts';
import { whileTimePasses } from '../support/while-time-passes.ts';

const STALE_AFTER = 61_000;
const TIMES = { freshFor: '1m', confirmFor: '2m' };
const json = { headers: { accept: 'application/vnd.pypi.simple.v1+json' } };
const stored = makeWheel({ name: 'demo', version: '1.0' });
const listed = makeWheel({ name: 'demo', version: '2.0' });
const newer = makeSdist({ name: 'demo', version: '3.0' });

interface Page {
  readonly status: number;
  readonly files: readonly {
    readonly filename: string;
    readonly yanked?: true | string;
    readonly 'core-metadata'?: unknown;
  }[];
}

/** A server whose upstream has a fallback that lacks much and tells little; what is asked for has been seen, and is no longer fresh. */
async function stage(t: Parameters<typeof fakeUpstream>[0]) {
  const [first, second] = [await fakeUpstream(t, { serials: true }), await fakeUpstream(t, { formats: 'html' })];
  first.project('demo').add(stored, { yanked: 'broken' }).add(listed);
  first.project('lonely').add(makeWheel({ name: 'lonely', version: '1.0' }));
  second.project('demo').add(stored);
  const clock = new FakeClock();
  const app = await testApp(t, { upstream: first.url, upstreamKeys: { fallbacks: [second.url], ...TIMES }, clock });
  const get = (path: string) => app.get(path, json);
  const goDark = async () => {
    await first.refuse();
    // Connections that were kept alive are cut first.
    for (let i = 0; i < 3; i += 1) await whileTimePasses(clock, get(`/simple/unknown-${i}/`));
    await clock.advance(STALE_AFTER);
  };
  const page = async (name = 'demo'): Promise<Page> => {
    const answer = await get(`/simple/${name}/`);
    return { files: [], ...((await answer.json()) as object), status: answer.status };
  };
  const before = { demo: await page(), lonely: await page('lonely') };
  assert.equal((await app.get(`/simple/demo/${stored.filename}`)).status, 200);
  await clock.advance(STALE_AFTER);
  return { first, second, clock, get, goDark, page, before };
}

/** Of a file, but for whether it can be had now. */
function whatIsSaid({ yanked: _yanked, 'core-metadata': _metadata, ...rest }: Page['files'][number]) {
  return rest;
}

function names({ files }: Page): readonly string[] {
  return files.map(({ filename }) => filename);
}

test('a fallback takes nothing away of what is known, however long the first address is down', async (t) => {
  const { second, clock, get, goDark, page, before } = await stage(t);
  await goDark();
  for (let asked = 0; asked < 5; asked += 1) {
    const { files, ...rest } = await page();
    assert.deepEqual(
      { ...rest, files: files.map(whatIsSaid) },
      { ...before.demo, files: before.demo.files.map(whatIsSaid) },
    );
    assert.deepEqual(files[0]?.yanked, 'broken');
    assert.match(
      String(files[1]?.yanked),
      /^not stored here, and the fallback that answers since .*Z does not have it$/,
    );
    assert.deepEqual(
      (await page('lonely')).files.map(({ yanked }) => yanked),
      [undefined],
    );
    await clock.advance(STALE_AFTER);
  }
  assert.ok(second.requests('/simple/demo/') >= 5);
  const never = await get('/simple/never-asked/');
  assert.ok(never.status === 502 || never.status === 503, 'the first may have it');
  second.project('demo').add(listed);
  for (const [path, bytes] of [
    [`${listed.filename}.metadata`, listed.metadata],
    [listed.filename, listed.bytes],
  ] as const) {
    const answer = await get(`/simple/demo/${path}`);
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), bytes);
  }
});

test('what a fallback has more counts, and so do its yanks and quarantines, until the first address is back', async (t) => {
  const { first, second, clock, goDark, page } = await stage(t);
  await goDark();
  second.project('demo').add(newer).add(listed, { yanked: 'bad' });
  assert.deepEqual(names(await page()), [stored.filename, listed.filename, newer.filename]);
  assert.deepEqual(
    (await page()).files.map(({ yanked }) => yanked),
    ['broken', 'bad', undefined],
  );
  await clock.advance(STALE_AFTER);
  second.project('demo').mark('quarantined', 'malware');
  assert.deepEqual(names(await page()), []);
  await first.accept();
  await clock.advance(STALE_AFTER);
  assert.deepEqual(
    (await page()).files.map(({ yanked }) => yanked),
    ['broken', undefined, undefined],
  );
});
