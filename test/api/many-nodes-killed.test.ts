import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { ChaosProxy, Fate } from '../support/chaos-proxy.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { type Lines, type SharedCellar, startSharedEngines } from '../support/many-nodes.ts';
import { lockOf, pins } from '../support/mirror-world.ts';
import { post } from '../support/mirroring.ts';
import { multipart, multipartHeaders, partsOf } from '../support/multipart.ts';
import { runProgram } from '../support/run-program.ts';
import { withClient } from '../support/s3-bucket.ts';
import type { TestApp } from '../support/test-app.ts';
import { ADMIN_TOKEN } from '../support/test-config.ts';
import type { TestServer } from '../support/test-server.ts';
import { type BuiltFile, makeWheel } from '../support/wheel.ts';

const engines = await startSharedEngines();
after(() => engines.stop());

const DAY = 24 * 60 * 60_000;
const authorization = `Bearer ${ADMIN_TOKEN}`;

/** When a node is killed: as it sends the first bytes with the last of these words, after it has sent the ones before on the same connection. */
interface Moment {
  readonly what: string;
  readonly line: 'database' | 'store';
  readonly words: readonly string[];
  /** Whether the engine still gets them. */
  readonly fate: Fate;
}

const MOMENTS: readonly Moment[] = [
  { what: 'before anything is kept', line: 'database', words: ['insert into "blob"'], fate: 'cut' },
  { what: 'as the bytes go to the store', line: 'store', words: ['PUT /'], fate: 'cut' },
  { what: 'when the store has the bytes', line: 'store', words: ['HEAD /'], fate: 'cut' },
  { what: 'before the commit', line: 'database', words: ['insert into "file"', 'COMMIT'], fate: 'cut' },
  {
    what: 'when all is kept and nobody was told',
    line: 'database',
    words: ['insert into "file"', 'COMMIT'],
    fate: 'pass',
  },
];

describe('a node that is killed', { skip: engines.skip }, () => {
  it('in an upload or a pull-through leaves all or nothing: the next try works, and garbage is collected', async (t) => {
    const up = await fakeUpstream(t);
    const cellar = await engines.cellar(t);
    const clock = new FakeClock(Date.now());
    const survivor = await cellar.node({ upstream: up.url, clock });
    const lines = await cellar.moreLines();
    const victim = await cellar.program({ upstream: up.url, lines });
    for (const [index, moment] of MOMENTS.entries()) {
      const file = makeWheel({ name: `mine${index}`, version: '1.0' });
      await dies(victim, lines[moment.line], moment, () => upload(victim.url, file));
      await victim.start();
      const answer = await survivor.get(pathOf(file));
      const body = Buffer.from(await answer.arrayBuffer());
      if (moment.fate === 'cut') assert.equal(answer.status, 404, moment.what);
      else assert.deepEqual([answer.status, body], [200, file.bytes], moment.what);
      assert.equal((await upload(victim.url, file)).status, 200);
      await isServed(file, [survivor, victim], moment.what);
    }
    for (const [index, moment] of MOMENTS.slice(2).entries()) {
      const file = makeWheel({ name: `theirs${index}`, version: '1.0' });
      up.project(file.name).add(file);
      await dies(victim, lines[moment.line], moment, () => fetch(`${victim.url}${pathOf(file)}`));
      // The survivor fetches what is not there; the victim finds it, as whoever comes after a crash.
      await isServed(file, [survivor], moment.what);
      await victim.start();
      await isServed(file, [victim], moment.what);
    }
    await victim.stop();
    await nothingIsLost(cellar);
    await clock.advance(2 * DAY, { wakes: false });
    await collected(survivor, clock);
    const { bucket, named } = await nothingIsLost(cellar);
    assert.deepEqual(bucket, named, 'no orphan is left');
    assert.deepEqual(await digests(cellar, 'SELECT digest FROM blob'), named);
  });

  it('in a job loses it to another node when its lease is over', async (t) => {
    const cellar = await engines.cellar(t);
    const clock = new FakeClock(Date.now());
    const survivor = await cellar.node({ clock });
    const lines = await cellar.moreLines();
    const victim = await cellar.program({ lines });
    while ((await cellar.query("SELECT id FROM job WHERE state IN ('queued', 'running')")).length > 0);
    const scheduled = await cellar.query("SELECT kind FROM job WHERE by = 'schedule'");
    assert.equal(new Set(scheduled.map(({ kind }) => kind)).size, scheduled.length, 'scheduled work is done once');

    const moment = { what: '', line: 'database', words: ['update "job"', 'COMMIT'], fate: 'pass' } as const;
    await dies(victim, lines.database, moment, () =>
      fetch(`${victim.url}/admin/verify`, { method: 'POST', headers: { authorization } }),
    );
    const running = "SELECT id, state, attempts FROM job WHERE by <> 'schedule'";
    // The commit is on its way when the node dies.
    let [job] = await cellar.query(running);
    while (job?.state === 'queued') [job] = await cellar.query(running);
    assert.deepEqual([job?.state, job?.attempts], ['running', '1']);
    await clock.advance(30_000);
    assert.equal((await cellar.query(running))[0]?.state, 'running');
    for (let state = ''; state !== 'succeeded'; ) {
      await clock.advance(5_000);
      const answer = await survivor.admin(`/admin/jobs/${job?.id}`);
      ({ state } = (await answer.json()) as { state: string });
      assert.notEqual(state, 'failed');
    }
    assert.equal((await cellar.query(running))[0]?.attempts, '2');
  });

  it('in a migration leaves an empty database, and the next one makes it', async (t) => {
    const cellar = await engines.cellar(t);
    const run = await runProgram(t, { config: cellar.settings() });
    cellar.lines.database.decide((bytes) => {
      if (!bytes.includes('CREATE TABLE channel')) return 'pass';
      process.kill(run.pid, 'SIGKILL');
      return 'pass';
    });
    assert.equal((await run.ended).code, null);
    cellar.lines.database.heal();
    assert.deepEqual(await cellar.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"), []);
    const node = await cellar.node();
    assert.equal((await upload(node.url, makeWheel({ name: 'demo', version: '1.0' }))).status, 200);
  });
});

describe('a line to an engine that is cut', { skip: engines.skip }, () => {
  it('in an upload or a pull-through leaves all or nothing: the next try works', async (t) => {
    const up = await fakeUpstream(t);
    const cellar = await engines.cellar(t);
    const other = await cellar.node({ upstream: up.url });
    const lines = await cellar.moreLines();
    const node = await cellar.node({ upstream: up.url, lines });
    for (const [index, moment] of MOMENTS.entries()) {
      const uploaded = makeWheel({ name: `mine${index}`, version: '1.0' });
      const { status } = await cutting(lines, moment, () => upload(node.url, uploaded));
      assert.ok([200, 503].includes(status), `${moment.what}: ${status}`);
      const seen = await other.get(pathOf(uploaded));
      assert.equal(seen.status, status === 200 ? 200 : 404, moment.what);
      assert.equal((await upload(node.url, uploaded)).status, 200);
      const pulled = makeWheel({ name: `theirs${index}`, version: '1.0' });
      up.project(pulled.name).add(pulled);
      const answer = await cutting(lines, moment, () => fetch(node.url + pathOf(pulled)));
      assert.deepEqual(answer, { status: 200, body: pulled.bytes }, moment.what);
      for (const file of [uploaded, pulled]) await isServed(file, [other, node], moment.what);
    }
    await nothingIsLost(cellar);
  });

  it('in a job leaves all or nothing: the same job works, and what it named is there', async (t) => {
    const up = await fakeUpstream(t);
    const cellar = await engines.cellar(t);
    const other = await cellar.node({ upstream: up.url, clock: new FakeClock(Date.now()) });
    const lines = await cellar.moreLines();
    for (const [index, moment] of MOMENTS.entries()) {
      const file = makeWheel({ name: `pinned${index}`, version: '1.0' });
      up.project(file.name).add(file);
      // A new one each time: later a statement is sent by its name, and the moment would not be known.
      const clock = new FakeClock(Date.now());
      const node = await cellar.node({ upstream: up.url, lines, clock });
      const mirrored = async (): Promise<string> => {
        const begun = await post(node, '/admin/mirror', lockOf(pins(file)));
        assert.equal(begun.status, 202);
        const path = begun.headers.get('location') ?? '';
        for (;;) {
          const { state } = (await (await other.admin(path)).json()) as { state: string };
          if (state !== 'queued' && state !== 'running') return state;
          await clock.advance(1_000);
        }
      };
      const cut = cutOnce(lines, moment);
      const state = await mirrored();
      assert.ok(cut(), moment.what);
      if (state !== 'succeeded') assert.equal(await mirrored(), 'succeeded', moment.what);
      const asked = up.requests(`/files/${file.filename}`);
      await isServed(file, [other, node], moment.what);
      assert.equal(up.requests(`/files/${file.filename}`), asked, 'from what is stored');
      await node.stop();
    }
    await nothingIsLost(cellar);
  });

  it('in a migration is made good by trying again', async (t) => {
    const cellar = await engines.cellar(t);
    let isCut = false;
    cellar.lines.database.decide((bytes) => {
      if (isCut || !bytes.includes('CREATE TABLE channel')) return 'pass';
      isCut = true;
      return 'cut';
    });
    const node = await cellar.node();
    assert.equal(isCut, true);
    assert.equal((await upload(node.url, makeWheel({ name: 'demo', version: '1.0' }))).status, 200);
  });
});

/** Cuts the line at that moment, once. Call what it answers when it should have come: heals the line, and tells whether it came. */
function cutOnce(lines: Lines, { line, words, fate }: Moment): () => boolean {
  let hasCome = false;
  const isLast = inOrder(words);
  lines[line].decide((bytes, on) => {
    if (hasCome || !isLast(bytes, on)) return 'pass';
    hasCome = true;
    return fate === 'cut' ? 'cut' : 'pass-then-cut';
  });
  return () => {
    lines[line].heal();
    return hasCome;
  };
}

/** Does something while the line is cut at that moment, once. */
async function cutting(
  lines: Lines,
  moment: Moment,
  work: () => Promise<Response>,
): Promise<{ readonly status: number; readonly body: Buffer }> {
  const cut = cutOnce(lines, moment);
  const answer = await work();
  const body = Buffer.from(await answer.arrayBuffer());
  // A statement that has come often is sent by its name: then the line is whole, which may be as well.
  cut();
  return { status: answer.status, body };
}

/** Does something on a node that is killed in the middle of it. */
async function dies(
  victim: TestServer,
  line: ChaosProxy,
  { words, fate }: Moment,
  work: () => Promise<Response>,
): Promise<void> {
  const killed = Promise.withResolvers<void>();
  const isLast = inOrder(words);
  let isDead = false;
  line.decide((bytes, on) => {
    if (isDead || !isLast(bytes, on)) return 'pass';
    isDead = true;
    process.kill(victim.pid, 'SIGKILL');
    killed.resolve();
    return fate;
  });
  // Whether it is answered depends on when: what matters is what is left.
  await Promise.all([
    killed.promise,
    work()
      .then((answer) => answer.arrayBuffer())
      .catch(() => {}),
  ]);
  await victim.stop('SIGKILL');
  line.heal();
}

/** Answers whether these bytes have the last of the words, after the others came on the same connection: another may commit something else meanwhile. */
function inOrder(words: readonly string[]): (bytes: Buffer, line: object) => boolean {
  const heard = new Map<object, number>();
  return (bytes, line) => {
    const at = heard.get(line) ?? 0;
    if (!bytes.includes(words[at] ?? '')) return false;
    heard.set(line, at + 1);
    return at + 1 === words.length;
  };
}

async function isServed(file: BuiltFile, nodes: readonly { readonly url: string }[], when: string): Promise<void> {
  for (const { url } of nodes) {
    const answer = await fetch(url + pathOf(file));
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), file.bytes, `${when}: ${file.filename}`);
  }
}

/** Every digest that a row names is in the bucket. Answers both, in order. */
async function nothingIsLost(cellar: SharedCellar): Promise<{ bucket: readonly string[]; named: readonly string[] }> {
  const { bucket: Bucket } = cellar.bucket;
  const endpoint = engines.s3.endpoint;
  const { Contents = [] } = await withClient({ ...cellar.bucket, endpoint }, (client) =>
    client.send(new ListObjectsV2Command({ Bucket })),
  );
  const bucket = Contents.map(({ Key = '' }) => Key.slice(-64)).sort();
  const named = await digests(
    cellar,
    'SELECT digest FROM file WHERE deleted_at IS NULL UNION SELECT digest FROM core_metadata',
  );
  assert.deepEqual(
    named.filter((digest) => !bucket.includes(digest)),
    [],
    'no row is without its bytes',
  );
  return { bucket, named };
}

async function digests(cellar: SharedCellar, query: string): Promise<string[]> {
  return (await cellar.query(query)).map(({ digest }) => String(digest)).sort();
}

/** Runs a garbage collection to its end. */
async function collected(node: TestApp, clock: FakeClock): Promise<void> {
  const { id } = (await (await node.admin('/admin/gc', { method: 'POST' })).json()) as { id: string };
  for (let state = ''; state !== 'succeeded'; ) {
    await clock.advance(1_000);
    ({ state } = (await (await node.admin(`/admin/jobs/${id}`)).json()) as { state: string });
    assert.ok(['queued', 'running', 'succeeded'].includes(state), state);
  }
}

function pathOf({ name, filename }: BuiltFile): string {
  return `/simple/${name}/${filename}`;
}

function upload(url: string, file: BuiltFile): Promise<Response> {
  const body = multipart(partsOf(file));
  return fetch(`${url}/legacy/`, { method: 'POST', headers: { ...multipartHeaders(body), authorization }, body });
}
