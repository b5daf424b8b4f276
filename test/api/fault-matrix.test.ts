import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { FakeClock } from '../support/fake-clock.ts';
import { emptyPage, errorPage, garbageJson, type Order, signInPage } from '../support/fake-orders.ts';
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { type BuiltFile, makeWheel } from '../support/wheel.ts';
import { whileTimePasses } from '../support/while-time-passes.ts';

const MINUTE = 60_000;
const json = { headers: { accept: 'application/vnd.pypi.simple.v1+json' } };
/** Stored, with its metadata. */
const STORED = makeWheel({ name: 'demo', version: '1.0' });
/** Listed on a known page, and never asked for. */
const LISTED = makeWheel({ name: 'demo', version: '2.0' });
/** Of a project that nobody has asked for. */
const UNSEEN = makeWheel({ name: 'unseen', version: '1.0' });
const FILES = new Map([STORED, LISTED, UNSEEN].map((wheel) => [wheel.filename, wheel]));

/** What is sent instead of what was not had before: `fails` is 502, 503, 504 or a line that breaks; `absent` is 404. */
type Unknown = 'fails' | 'absent' | 'comes';

interface Fault {
  begin(up: FakeUpstream): Promise<void> | void;
  end?(up: FakeUpstream): Promise<void>;
  /** Another address of the upstream, for as long as the fault lasts. */
  readonly address?: (up: FakeUpstream) => string;
  /** A page that has not changed is confirmed (304) all the same. */
  readonly confirms?: true;
  /** What becomes of a page, and of files and metadata, that were not asked for before. */
  readonly unknownPage?: Unknown | 'empty';
  readonly unknownFile?: readonly Unknown[];
}

const ordered = (order: Order, more: Omit<Fault, 'begin'> = {}): Fault => ({
  begin: (up) => up.order('*', order),
  ...more,
});

/** Every fault of section 4.3 of the demand. Quarantine and what a held page turns to in time are in `outage.test.ts`. */
const FAULTS: Readonly<Record<string, Fault>> = {
  'refuses connections': { begin: (up) => up.refuse(), end: (up) => up.accept() },
  'resets them': ordered({ reset: true }),
  'is a black hole': ordered({ hang: true }),
  'has a name that does not resolve': { begin: () => undefined, address: () => 'http://index.invalid/simple/' },
  'speaks no TLS': { begin: () => undefined, address: (up) => up.url.replace('http:', 'https:') },
  'answers 403': ordered({ status: 403 }),
  'answers 404': ordered({ status: 404 }, { unknownPage: 'absent', unknownFile: ['absent'] }),
  'answers 429': ordered({ status: 429, headers: { 'retry-after': '1' } }),
  'answers 502': ordered({ status: 502 }),
  'answers 502 for files alone': {
    begin: (up) => up.order('/files/*', { status: 502 }),
    unknownPage: 'comes',
  },
  'answers 502 for metadata alone': {
    begin: (up) => {
      for (const name of FILES.keys()) up.order(`/files/${name}.metadata`, { status: 502 });
    },
    unknownPage: 'comes',
    // Metadata are taken out of the wheel then.
    unknownFile: ['comes'],
  },
  'sends empty pages': ordered(emptyPage, { unknownPage: 'empty', unknownFile: ['absent', 'fails'] }),
  'sends an error page': ordered(errorPage),
  'sends a sign-in page': ordered(signInPage),
  'sends garbage': ordered(garbageJson),
  'cuts bodies off': ordered({ cutAfter: 20 }, { confirms: true, unknownFile: ['fails', 'comes'] }),
  'tells lengths that are too long': ordered(
    { lieAboutLength: 50 },
    { confirms: true, unknownFile: ['fails', 'comes'] },
  ),
  'tells lengths that are too short': ordered({ lieAboutLength: -5 }, { confirms: true }),
  'sends other bytes': ordered({ corrupt: true }, { confirms: true }),
  'sends other files': {
    begin: (up) => up.order('/files/*', { corrupt: true }),
    unknownPage: 'comes',
  },
  'sends older pages': {
    begin: (up) => {
      const project = up.project('demo');
      project.remove(LISTED.filename);
      up.order('/simple/demo/', { page: project.snapshot() });
      project.add(LISTED);
    },
    unknownPage: 'comes',
    unknownFile: ['comes'],
  },
  drips: ordered({ drip: { bytes: 1, everyMs: 3 } }, { confirms: true, unknownFile: ['fails', 'comes'] }),
  'redirects for ever': ordered({ hops: 30 }),
};

interface Got {
  readonly status: number;
  readonly headers: Headers;
  /** Of a body that came whole. */
  readonly body: Buffer | undefined;
}

async function get(app: TestApp, clock: FakeClock, path: string): Promise<Got> {
  const asked = async (): Promise<Got> => {
    const answer = await app.get(path, json).catch(() => undefined);
    if (answer === undefined) return { status: 0, headers: new Headers(), body: undefined };
    const body = await answer.arrayBuffer().then(Buffer.from, () => undefined);
    return { status: answer.status, headers: answer.headers, body };
  };
  return await whileTimePasses(clock, asked());
}

/** Bytes that came whole and with 200 are the right ones, whatever the fault; answers what was to be had. */
function judged(what: string, { status, body }: Got, right: Buffer): Unknown {
  if (status === 404) return 'absent';
  if (status === 200 && body !== undefined) {
    assert.deepEqual(body, right, `${what}: wrong bytes`);
    return 'comes';
  }
  assert.ok(status === 0 || status === 200 || (status >= 502 && status <= 504), `${what}: ${status}`);
  return 'fails';
}

function metadataOf({ metadata }: BuiltFile): Buffer {
  assert.ok(metadata);
  return Buffer.from(metadata);
}

interface Phase {
  readonly fault: Fault;
  readonly when: string;
}

async function knownGoesOn(app: TestApp, clock: FakeClock, { fault, when }: Phase): Promise<void> {
  const page = await get(app, clock, '/simple/demo/');
  assert.equal(page.status, 200, `${when}: the known page`);
  if (fault.unknownPage === undefined && !fault.confirms) {
    assert.match(page.headers.get('cache-status') ?? '', /^stormcellar; fwd=stale/, when);
  }
  const { files } = JSON.parse(String(page.body)) as { files: { filename: string; hashes: { sha256?: string } }[] };
  const hashes = Object.fromEntries(files.map(({ filename, hashes: { sha256 } }) => [filename, sha256]));
  assert.deepEqual(
    hashes,
    { [STORED.filename]: STORED.sha256, [LISTED.filename]: LISTED.sha256 },
    `${when}: every file that was known is listed`,
  );
  const path = `/simple/demo/${STORED.filename}`;
  assert.equal(judged(when, await get(app, clock, path), STORED.bytes), 'comes', `${when}: the known file`);
  const metadata = await get(app, clock, `${path}.metadata`);
  assert.equal(judged(when, metadata, metadataOf(STORED)), 'comes', `${when}: the known metadata`);
}

async function unknownFails(app: TestApp, clock: FakeClock, { fault, when }: Phase): Promise<void> {
  const { unknownPage = 'fails', unknownFile = ['fails'] } = fault;
  const page = await get(app, clock, '/simple/unseen/');
  const hasFiles = String(page.body).includes(UNSEEN.filename);
  const got = page.status === 200 ? (hasFiles ? 'comes' : 'empty') : page.status === 404 ? 'absent' : 'fails';
  if (got === 'fails') {
    assert.ok(page.status >= 502 && page.status <= 504, `${when}: unknown page: ${page.status}`);
    assert.ok(Number(page.headers.get('retry-after')) >= 1, `${when}: when to come again`);
  }
  assert.equal(got, unknownPage, `${when}: the unknown page, ${page.status}`);
  for (const wheel of [LISTED, UNSEEN]) {
    const path = `/simple/${wheel === LISTED ? 'demo' : 'unseen'}/${wheel.filename}`;
    for (const [what, right] of [
      [`${path}.metadata`, metadataOf(wheel)],
      [path, wheel.bytes],
    ] as const) {
      const file = judged(`${when}: ${what}`, await get(app, clock, what), right);
      assert.ok(unknownFile.includes(file), `${when}: ${what} ${file}`);
    }
  }
}

/** Something was told of the fault where a person would look for it. */
async function isVisible(app: TestApp, what: string): Promise<void> {
  const ready = await app.get('/readyz');
  assert.equal(ready.status, 200, 'an upstream does not make it unready');
  const { upstreams } = (await ready.json()) as { upstreams: { lastError: unknown }[] };
  assert.ok(upstreams[0]?.lastError, `${what}: /readyz says nothing of it: ${JSON.stringify(upstreams)}`);
}

async function heals(app: TestApp, clock: FakeClock): Promise<void> {
  for (let minutes = 0; minutes < 30; minutes += 1) {
    const page = await get(app, clock, '/simple/unseen/');
    if (page.status === 200 && String(page.body).includes(UNSEEN.filename)) break;
    await clock.advance(MINUTE);
  }
  await clock.advance(11 * MINUTE);
  for (const [project, wheel] of [
    ['demo', STORED],
    ['demo', LISTED],
    ['unseen', UNSEEN],
  ] as const) {
    const path = `/simple/${project}/${wheel.filename}`;
    assert.equal(judged('healed', await get(app, clock, path), wheel.bytes), 'comes', `healed: ${path}`);
    const metadata = judged('healed', await get(app, clock, `${path}.metadata`), metadataOf(wheel));
    assert.equal(metadata, 'comes', `healed: ${path}.metadata`);
    const page = await get(app, clock, `/simple/${project}/`);
    assert.equal(page.status, 200);
    assert.ok(!String(page.body).includes('"yanked"'), String(page.body));
  }
}

for (const [what, fault] of Object.entries(FAULTS)) {
  test(`an upstream that ${what}: pages, files and metadata, known and unknown, before and after a restart`, async (t) => {
    const up = await fakeUpstream(t);
    up.project('demo').add(STORED).add(LISTED);
    up.project('unseen').add(UNSEEN);
    const clock = new FakeClock();
    const healthy = await testApp(t, { upstream: up.url, clock });
    for (const path of ['', STORED.filename, `${STORED.filename}.metadata`]) {
      assert.equal((await healthy.get(`/simple/demo/${path}`, json)).status, 200);
    }
    await clock.advance(11 * MINUTE);

    await fault.begin(up);
    const { address } = fault;
    if (address !== undefined) await healthy.stop();
    const { dataDir } = healthy;
    let app = address === undefined ? healthy : await testApp(t, { upstream: address(up), clock, dataDir });
    for (const when of ['before a restart', 'after a restart']) {
      await knownGoesOn(app, clock, { fault, when });
      await unknownFails(app, clock, { fault, when });
      if (fault.unknownPage === undefined) await isVisible(app, when);
      await knownGoesOn(app, clock, { fault, when: `${when}, once it was found out` });
      if (when === 'before a restart') app = await app.restart();
    }

    up.order('*');
    up.order('/files/*');
    for (const name of ['demo', 'unseen']) up.order(`/simple/${name}/`);
    for (const name of FILES.keys()) up.order(`/files/${name}.metadata`);
    await fault.end?.(up);
    if (address !== undefined) {
      await app.stop();
      app = await testApp(t, { upstream: up.url, clock, dataDir });
    }
    await heals(app, clock);
    const offline = await get(app, clock, '/offline/simple/demo/');
    const listed = (JSON.parse(String(offline.body)) as { files: { filename: string }[] }).files;
    for (const { filename } of listed) {
      const { body } = await get(app, clock, `/offline/simple/demo/${filename}`);
      const digest = createHash('sha256')
        .update(body ?? '')
        .digest('hex');
      assert.equal(digest, FILES.get(filename)?.sha256, `${filename} is stored as it should be`);
    }
  });
}
