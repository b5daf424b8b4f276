import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { FakeClock } from '../support/fake-clock.ts';
import { emptyPage } from '../support/fake-orders.ts';
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { makeSdist, makeWheel } from '../support/wheel.ts';
import { whileTimePasses } from '../support/while-time-passes.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const json = { headers: { accept: 'application/vnd.pypi.simple.v1+json' } };
const kept = makeWheel({ name: 'demo', version: '1.0' });
const known = makeWheel({ name: 'demo', version: '2.0' });

interface Page {
  readonly versions: readonly string[];
  readonly files: readonly { readonly filename: string; readonly yanked?: true | string }[];
}

/** A server that has `kept` stored and `known` listed, and whose page of `demo` is no longer fresh. */
async function seeded(t: Parameters<typeof fakeUpstream>[0], more: { fallbackProjects?: string[] } = {}) {
  const up = await fakeUpstream(t);
  up.project('demo').add(kept).add(known);
  up.project('never-asked').add(makeWheel({ name: 'never-asked', version: '1' }));
  for (const name of more.fallbackProjects ?? []) up.project(name).add(makeWheel({ name, version: '1' }));
  const clock = new FakeClock();
  const app = await testApp(t, { upstream: up.url, clock });
  assert.equal((await app.get('/simple/demo/', json)).status, 200);
  assert.equal(digest(await (await app.get(`/simple/demo/${kept.filename}`)).arrayBuffer()), kept.sha256);
  await clock.advance(11 * MINUTE);
  return { up, clock, app };
}

function digest(bytes: ArrayBuffer): string {
  return createHash('sha256').update(Buffer.from(bytes)).digest('hex');
}

async function pageOf(app: TestApp, name = 'demo'): Promise<{ answer: Response; page: Page }> {
  const answer = await app.get(`/simple/${name}/`, json);
  assert.equal(answer.status, 200, `${name}: ${answer.status}`);
  return { answer, page: (await answer.json()) as Page };
}

/** Lets the breaker open. */
async function goDark(up: FakeUpstream, clock: FakeClock, app: TestApp): Promise<void> {
  await up.refuse();
  for (let asked = 0; asked < 20; asked += 1) {
    await whileTimePasses(clock, app.get(`/simple/unknown-${asked}/`, json));
    const { upstreams } = (await (await app.get('/readyz')).json()) as { upstreams: { breaker: string }[] };
    if (upstreams[0]?.breaker === 'open') return;
  }
  assert.fail('the breaker did not open');
}

test('an open breaker: what is not stored is yanked with the reason, readiness stays, a restart remembers', async (t) => {
  const { up, clock, app } = await seeded(t);
  await goDark(up, clock, app);
  const { page, answer } = await pageOf(app);
  assert.match(answer.headers.get('cache-status') ?? '', /upstream-down/);
  const yanked = Object.fromEntries(page.files.map((file) => [file.filename, file.yanked]));
  assert.equal(yanked[kept.filename], undefined);
  assert.match(String(yanked[known.filename]), /^not stored here, and pypi has not answered since /);
  const cold = await app.get(`/simple/demo/${known.filename}`);
  assert.ok([502, 503].includes(cold.status));
  assert.match(await cold.text(), /not stored here, and pypi has not answered since/);
  assert.ok(Number(cold.headers.get('retry-after')) >= 1);
  for (const init of [{ method: 'HEAD' }, { headers: { range: 'bytes=0-1' } }])
    assert.equal((await app.get(`/simple/demo/${known.filename}`, init)).status, 503, JSON.stringify(init));
  const pip = await app.get(`/simple/demo/${known.filename}`, { headers: { 'user-agent': 'pip/26.3 {}' } });
  assert.equal(pip.status, 504, 'which pip shows with its reason, at once');
  assert.equal((await app.get('/readyz')).status, 200);

  const restarted = await app.restart();
  const again = await pageOf(restarted);
  assert.match(String(again.page.files.find((file) => file.filename === known.filename)?.yanked), /^not stored here/);

  await up.accept();
  let state = 'open';
  for (let tries = 0; tries < 200 && state !== 'closed'; tries += 1) {
    await clock.advance(1_000);
    const ready = (await (await restarted.get('/readyz')).json()) as { upstreams: { breaker: string }[] };
    state = ready.upstreams[0]?.breaker ?? '';
  }
  assert.equal(state, 'closed', 'it recovers without a hand');
  const healed = await whileTimePasses(clock, pageOf(restarted));
  assert.ok(healed.page.files.every((file) => file.yanked === undefined));
});

test('a hanging upstream: the known page comes when patience ends, then at once', async (t) => {
  const { up, clock, app } = await seeded(t);
  up.order('*', { hang: true });
  const first = pageOf(app);
  await up.waitFor('/simple/demo/', 2);
  await clock.untilSleeping(1);
  const { answer } = await whileTimePasses(clock, first);
  assert.match(answer.headers.get('cache-status') ?? '', /fwd=stale; detail=upstream-/);
  const second = await pageOf(app);
  assert.match(second.answer.headers.get('cache-status') ?? '', /fwd=stale; detail=upstream-/);
  const unknown = await whileTimePasses(clock, app.get('/simple/never-asked/', json));
  assert.equal(unknown.status, 504);
  assert.equal((await app.get('/simple/nor-that/', json)).status, 504, 'at once, by now');
});

for (const [what, vanish] of [
  ['answers 404', (up: FakeUpstream) => up.order('/simple/demo/', { status: 404 })],
  ['sends an empty page', (up: FakeUpstream) => up.order('/simple/demo/', emptyPage)],
] as const) {
  test(`upstream ${what} for a known project: held, then what is stored stays as yanked`, async (t) => {
    const { up, clock, app } = await seeded(t);
    vanish(up);
    const held = await pageOf(app);
    assert.deepEqual(held.page.versions.toSorted(), ['1.0', '2.0']);
    assert.ok(held.page.files.every((file) => file.yanked === undefined));
    const restarted = await app.restart();
    for (let minutes = 0; minutes <= 70; minutes += 10) {
      await clock.advance(10 * MINUTE);
      await pageOf(restarted);
    }
    const gone = await pageOf(restarted);
    assert.deepEqual(gone.page.versions, ['1.0']);
    assert.match(String(gone.page.files[0]?.yanked), /^removed upstream on \d{4}-\d\d-\d\d$/);
    assert.equal(digest(await (await restarted.get(`/simple/demo/${kept.filename}`)).arrayBuffer()), kept.sha256);
    assert.equal((await restarted.get(`/simple/demo/${known.filename}`)).status, 404);
    up.order('/simple/demo/');
    await clock.advance(11 * MINUTE);
    const back = await pageOf(restarted);
    assert.deepEqual(back.page.versions.toSorted(), ['1.0', '2.0']);
    assert.ok(back.page.files.every((file) => file.yanked === undefined));
  });
}

for (const [what, order] of [
  ['answers 404', { status: 404 }],
  ['sends empty pages', emptyPage],
] as const) {
  test(`upstream ${what} for all that it had: held for as long as that lasts, also after a restart`, async (t) => {
    const others = ['a', 'b', 'c', 'd', 'e'];
    const { up, clock, app } = await seeded(t, { fallbackProjects: others });
    const askAll = async (of: TestApp) => {
      const asked = ['demo', ...others].map((name) => pageOf(of, name));
      return (await Promise.all(asked)).map(({ page }) => page);
    };
    await askAll(app);
    await clock.advance(11 * MINUTE);
    up.order('/simple/*', order);
    await askAll(app);
    const restarted = await app.restart();
    for (let hours = 0; hours < 5; hours += 1) {
      await clock.advance(HOUR);
      const pages = await askAll(restarted);
      assert.deepEqual(pages[0]?.versions.toSorted(), ['1.0', '2.0']);
      assert.ok(pages.every(({ files }) => files.length > 0 && files.every(({ yanked }) => yanked === undefined)));
    }
    const { answer } = await pageOf(restarted);
    assert.match(answer.headers.get('cache-status') ?? '', /detail=suspect/);

    // One that is there again, and the others are gone for themselves.
    up.order('/simple/a/', {});
    await clock.advance(11 * MINUTE);
    await pageOf(restarted, 'a');
    assert.match(String((await pageOf(restarted)).page.files[0]?.yanked), /^removed upstream on /);
  });
}

test('a page without files is asked again after a minute: the index may have been broken', async (t) => {
  const { up, clock, app } = await seeded(t);
  up.order('/simple/never-asked/', { ...emptyPage, times: 1 });
  assert.deepEqual((await pageOf(app, 'never-asked')).page.files, []);
  await clock.advance(MINUTE + 1);
  assert.equal((await pageOf(app, 'never-asked')).page.files.length, 1);
});

test('one deleted release stays installable by pin', async (t) => {
  const { up, clock, app } = await seeded(t);
  up.project('demo').remove(kept.filename);
  for (let minutes = 0; minutes <= 70; minutes += 10) {
    await pageOf(app);
    await clock.advance(10 * MINUTE);
  }
  const { page } = await pageOf(app);
  assert.deepEqual(page.versions.toSorted(), ['1.0', '2.0']);
  assert.match(String(page.files.find((file) => file.filename === kept.filename)?.yanked), /^removed upstream on /);
});

test('quarantine counts at once, on page and file alike, and an administrator may overrule it', async (t) => {
  const { up, clock, app } = await seeded(t);
  up.project('demo').mark('quarantined');
  const { page } = await pageOf(app);
  assert.deepEqual(page.files, []);
  const path = `/simple/demo/${kept.filename}`;
  for (const init of [
    {},
    { method: 'HEAD' },
    { headers: { range: 'bytes=0-1' } },
    { headers: { 'if-none-match': `"${kept.sha256}"` } },
  ]) {
    assert.equal((await app.get(path, init)).status, 403, JSON.stringify(init));
  }
  assert.equal((await app.get(`${path}.metadata`)).status, 403);
  assert.equal((await app.get(`/offline${path}`)).status, 403);
  const restarted = await app.restart();
  assert.equal((await restarted.get(path)).status, 403);
  await clock.advance(HOUR);
  assert.equal((await restarted.get(path)).status, 403);
});

test('first repository that knows a project answers alone, and one that is down keeps its say', async (t) => {
  const first = await fakeUpstream(t);
  const second = await fakeUpstream(t);
  first.project('both').add(makeWheel({ name: 'both', version: '1.0' }));
  second.project('both').add(makeWheel({ name: 'both', version: '9.0' }));
  second.project('only-second').add(makeWheel({ name: 'only-second', version: '1.0' }));
  const clock = new FakeClock();
  const app = await testApp(t, {
    clock,
    config: {
      repositories: { a: { kind: 'upstream', url: first.url }, b: { kind: 'upstream', url: second.url } },
      indexes: { main: { repositories: ['a', 'b'], private: ['acme-*'] } },
    },
  });
  assert.deepEqual((await pageOf(app, 'both')).page.versions, ['1.0']);
  assert.deepEqual((await pageOf(app, 'only-second')).page.versions, ['1.0']);
  for (const name of ['acme-tool', 'Acme_Tool', 'acme.tool']) await app.get(`/simple/${name}/`);
  assert.equal((await app.get('/simple/acme-tool/')).status, 404);
  assert.equal((await app.get('/simple/acme-tool/acme_tool-1.0-py3-none-any.whl')).status, 404);
  assert.equal((await app.get('/pypi/acme-tool/json')).status, 404);
  assert.equal(
    first.requests('/simple/acme*') + second.requests('/simple/acme*'),
    0,
    'a private name is never asked upstream',
  );

  await first.refuse();
  await clock.advance(11 * MINUTE);
  assert.deepEqual((await whileTimePasses(clock, pageOf(app, 'both'))).page.versions, ['1.0']);
  assert.deepEqual((await whileTimePasses(clock, pageOf(app, 'only-second'))).page.versions, ['1.0']);
  const never = await whileTimePasses(clock, app.get('/simple/never-asked/', json));
  assert.ok([502, 503].includes(never.status), 'not looked for elsewhere');
});

test('a hanging upstream makes the legacy JSON of a known project wait once, for page and core metadata together', async (t) => {
  const { up, clock, app } = await seeded(t);
  up.order('*', { hang: true });
  const began = clock.nowMs();
  const answer = await whileTimePasses(clock, app.get('/pypi/demo/json'));
  assert.equal(answer.status, 200);
  // The clock of this test runs ahead of what is read meanwhile; to wait twice would be 3 000.
  assert.ok(clock.nowMs() - began < 3_000, `${clock.nowMs() - began} ms`);
  const { info } = (await answer.json()) as { info: { version: string } };
  assert.equal(info.version, '2.0');
  // A stop waits for none of what still hangs, on a clock that stands.
  await app.stop();
});

test('in an outage poetry is told of releases as a whole, by the hot path and through Express, and nobody else is', async (t) => {
  const { up, clock, app } = await seeded(t);
  const source = 'demo-1.0.tar.gz';
  up.project('demo').add(makeSdist({ name: 'demo', version: '1.0' }));
  assert.equal((await pageOf(app)).page.files.length, 3);
  await clock.advance(11 * MINUTE);
  await goDark(up, clock, app);
  const asked = { headers: { ...json.headers, 'user-agent': 'poetry/2.5.1 CPython/3.11.2' } };
  // Each twice: rendered, then from memory.
  for (const path of ['/simple/demo/', '/index/main/simple/demo/', '/simple/demo/', '/index/main/simple/demo/']) {
    const whole = (await (await app.get(path, asked)).json()) as Page;
    assert.equal(whole.files.find(({ filename }) => filename === source)?.yanked, undefined, path);
    assert.match(String(whole.files.find(({ filename }) => filename === known.filename)?.yanked), /^not stored here/);
    const { page } = await pageOf(app);
    assert.match(String(page.files.find(({ filename }) => filename === source)?.yanked), /^not stored here/, path);
  }
});
