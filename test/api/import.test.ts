import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { FakeClock } from '../support/fake-clock.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { finished, type JobAnswer, post } from '../support/mirroring.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { type BuiltFile, makeSdist, makeWheel, sha256Of } from '../support/wheel.ts';
import { whileTimePasses } from '../support/while-time-passes.ts';
import { zipOf } from '../support/zip.ts';

const ONE = makeWheel({ name: 'acme-lib', version: '1.0', requiresPython: '>=3.8' });
const SDIST = makeSdist({ name: 'acme-lib', version: '1.0' });
const TWO = makeWheel({ name: 'acme-lib', version: '2.0' });
const OTHER = makeWheel({ name: 'other', version: '2.0' });
const TIME = '2024-03-04T05:06:07.000Z';
const PASSWORD = 'a-password-of-theirs';

interface Listed {
  readonly filename: string;
  readonly 'upload-time': string;
  readonly yanked?: boolean | string;
}

describe('an index that moves in', () => {
  it('is fetched by the server, with its times and what is yanked, and the second time nothing is', async (t) => {
    for (const formats of ['html', 'json'] as const) {
      const up = await fakeUpstream(t, { formats, links: 'relative', credentials: { user: 'u', password: PASSWORD } });
      up.project('acme-lib').add(ONE, { uploadTime: TIME, yanked: 'broken' }).add(TWO).add(SDIST, { hashes: false });
      up.project('other').add(OTHER);
      const app = await testApp(t);
      const url = up.url.replace('//', `//u:${PASSWORD}@`);
      const job = await imported(app, { simple: url });
      assert.equal(job.state, 'succeeded', JSON.stringify(job));
      assert.deepEqual(job.counts, {
        entries: 2,
        entriesDone: 2,
        files: 4,
        stored: 4,
        present: 0,
        failed: 0,
        bytes: job.bytes,
      });
      const files = await listed(app, 'acme-lib');
      const one = files.find(({ filename }) => filename === ONE.filename);
      assert.equal(one?.yanked, 'broken');
      assert.equal(files.find(({ filename }) => filename === TWO.filename)?.yanked, undefined);
      // A page in HTML tells none: then the file's Last-Modified does.
      assert.equal(one?.['upload-time'], formats === 'json' ? TIME : '2024-01-01T00:00:00.000Z');
      const fetches = up.requests('/files/*');
      const again = await imported(app, { simple: url, projects: ['Acme_Lib', 'other'] });
      assert.deepEqual([again.state, again.counts.present], ['succeeded', 4]);
      // Without a digest on the page only the bytes tell.
      assert.equal(up.requests('/files/*') - fetches, 1);
      assert.doesNotMatch(JSON.stringify([job, app.logged, await jobRows(app)]), new RegExp(PASSWORD));
    }
  });

  it('without upload times keeps those of the files, unless they are older than any index, or in the future', async (t) => {
    const up = await fakeUpstream(t, { formats: 'html' });
    up.project('acme-lib').add(ONE).add(TWO);
    up.order(`/files/${ONE.filename}`, { headers: { 'last-modified': 'Thu, 01 Jan 1970 00:00:00 GMT' } });
    up.order(`/files/${TWO.filename}`, { headers: { 'last-modified': 'Fri, 01 Jan 2100 00:00:00 GMT' } });
    const before = Date.now();
    const app = await testApp(t);
    assert.equal((await imported(app, { simple: up.url })).state, 'succeeded');
    for (const file of await listed(app, 'acme-lib')) {
      const at = Date.parse(file['upload-time']);
      assert.ok(at >= before && at <= Date.now(), file['upload-time']);
    }
  });

  it('with only some of its projects, into the index that is named', async (t) => {
    const up = await fakeUpstream(t);
    up.project('acme-lib').add(ONE);
    up.project('other').add(OTHER);
    const config = {
      repositories: { local: { kind: 'hosted' }, old: { kind: 'hosted' } },
      indexes: { main: { repositories: ['local'] }, legacy: { repositories: ['old'] } },
    };
    const app = await testApp(t, { config });
    const job = await imported(app, { simple: up.url, projects: ['other', 'missing'], index: 'legacy' });
    assert.equal(job.state, 'failed');
    assert.match(job.error ?? '', /^missing could not move in: the source has no page of that project\.$/);
    assert.equal((await listed(app, 'other', '/index/legacy')).length, 1);
    assert.deepEqual(await listed(app, 'other'), []);
    assert.equal(up.requests('/simple/acme-lib/'), 0);
    assert.equal((await post(app, '/admin/import', { simple: up.url, index: 'nowhere' })).status, 404);
  });

  it('whose files are not as they should be: each says why, the rest moves in', async (t) => {
    const up = await fakeUpstream(t);
    const same = makeWheel({ name: 'acme-lib', version: '1.0', description: 'other bytes' });
    const broken = makeWheel({ name: 'acme-lib', version: '3.0' });
    up.project('acme-lib').add(same).add(TWO).add(broken).add(OTHER, { filename: 'acme_lib-9-py3-none-any.whl' });
    up.order(`/files/${broken.filename}`, { corrupt: true });
    const app = await testApp(t);
    await uploaded(app, ONE);
    const job = await imported(app, { simple: up.url });
    assert.equal(job.state, 'failed');
    const why = new Map(job.files.map(({ filename = '', state, why: told }) => [filename, `${state} ${told ?? ''}`]));
    assert.match(why.get(ONE.filename) ?? '', /^failed .*is here with other content \(sha256 /);
    assert.match(why.get(broken.filename) ?? '', /^failed it has the sha256 \w+, and the source promises \w+/);
    assert.match(why.get('acme_lib-9-py3-none-any.whl') ?? '', /^failed /);
    assert.equal(why.get(TWO.filename), 'stored ');
    assert.match(job.error ?? '', / So it is with 2 more, each listed with its reason\.$/);
  });

  it('is taken as it was published, however strict uploads are', async (t) => {
    const up = await fakeUpstream(t);
    const info = 'acme_lib-4.0.dist-info';
    const members = [
      { name: 'acme_lib.py', data: '' },
      { name: `${info}/METADATA`, data: 'Metadata-Version: 2.1\nName: acme-lib\nVersion: 4.0\n' },
      { name: `${info}/WHEEL`, data: 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n' },
      { name: `${info}/RECORD`, data: `${info}/METADATA,,\n` },
    ];
    const bytes = zipOf(members);
    const sha256 = sha256Of(bytes);
    const unrecorded = { ...ONE, filename: 'acme_lib-4.0-py3-none-any.whl', version: '4.0', bytes, sha256 };
    const linux = makeWheel({ name: 'acme-lib', version: '1.0', tag: 'cp311-cp311-linux_x86_64' });
    const old = { ...SDIST, filename: 'Acme-Lib-1.0.tar.gz' };
    for (const file of [unrecorded, linux, old]) up.project('acme-lib').add(file);
    const strict = { linuxPlatformTags: false, oldSdistNames: false, unrecordedFiles: false };
    const app = await testApp(t, { config: { uploads: strict } });
    const job = await imported(app, { simple: up.url });
    assert.equal(job.state, 'succeeded', JSON.stringify(job));
    assert.equal((await listed(app, 'acme-lib')).length, 3);
  });

  it('and breaks off, answers 500, or is not there for a while: it is asked again', async (t) => {
    const up = await fakeUpstream(t);
    up.project('acme-lib').add(ONE).add(TWO);
    up.order(`/files/${ONE.filename}`, { cutAfter: 100, times: 1 });
    up.order(`/files/${TWO.filename}`, { status: 500, times: 1 });
    const app = await testApp(t);
    const job = await imported(app, { simple: up.url });
    assert.equal(job.state, 'succeeded', JSON.stringify(job));
    assert.ok(up.seen(`/files/${ONE.filename}`).some(({ headers }) => headers.range === 'bytes=100-'));
  });

  it('and dies: the job is tried again later, and fails with the reason when it stays away', async (t) => {
    const clock = new FakeClock();
    const up = await fakeUpstream(t);
    up.project('acme-lib').add(ONE).add(TWO);
    up.order(`/files/${TWO.filename}`, { hang: true });
    const app = await testApp(t, { clock });
    const path = await ordered(app, { simple: up.url });
    await up.waitFor(`/files/${TWO.filename}`);
    while ((await listed(app, 'acme-lib')).length === 0);
    await up.refuse();
    let job = await attended(app, path, clock);
    assert.equal(job.state, 'failed');
    assert.match(job.error ?? '', /did not answer as it should: connection refused/);
    up.order(`/files/${TWO.filename}`);
    await up.accept();
    job = await attended(app, await ordered(app, { simple: up.url }), clock);
    assert.equal(job.state, 'succeeded', JSON.stringify(job));
    assert.equal(job.counts.files, 2);
    assert.equal(up.requests(`/files/${ONE.filename}`), 1);
  });

  it('twice at once is one job, and can be cancelled', async (t) => {
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    t.after(async () => release());
    const up = await fakeUpstream(t);
    up.project('acme-lib').add(ONE).add(TWO);
    up.order('/files/*', { hold: held });
    const app = await testApp(t);
    const path = await ordered(app, { simple: up.url });
    assert.equal(await ordered(app, { simple: up.url.replace(/\/$/, '') }), path);
    assert.notEqual(await ordered(app, { simple: up.url, projects: ['other'] }), path);
    await up.waitFor(`/files/${ONE.filename}`);
    await app.admin(path, { method: 'DELETE' });
    const job = await finished(app, path);
    assert.equal(job.state, 'cancelled');
    assert.deepEqual(await listed(app, 'acme-lib'), []);
  });

  it('is only where an administrator and the configuration let it be', async (t) => {
    const up = await fakeUpstream(t);
    up.project('acme-lib').add(ONE);
    const { host } = new URL(up.url);
    const open = await testApp(t);
    const metadata = await post(open, '/admin/import', { simple: 'http://169.254.169.254/latest/' });
    assert.equal(metadata.status, 400);
    assert.match(await metadata.text(), /that no index has/);
    const { port } = new URL(up.url);
    const inside = await fakeUpstream(t);
    inside.project('acme-lib').add(TWO, { url: 'http://169.254.169.254/acme_lib-2.0-py3-none-any.whl' });
    inside.project('other').add(OTHER, { url: `http://localhost:${port}/files/${ONE.filename}` });
    const led = await imported(open, { simple: inside.url });
    assert.deepEqual(
      led.files.map(({ why }) => /that no index has|has the sha256/.test(why ?? '')),
      [true, true],
      JSON.stringify(led.files),
    );
    for (const simple of ['ftp://index.example/', 'file:///etc/', 'nowhere', 'http://[fe80::1]/simple/'])
      assert.equal((await post(open, '/admin/import', { simple })).status, 400, simple);
    const listing = await testApp(t, { config: { import: { allowHosts: ['index.example', host] } } });
    assert.equal((await imported(listing, { simple: up.url })).state, 'succeeded');
    const shut = await testApp(t, { config: { import: { allowHosts: ['index.example'] } } });
    const refused = await post(shut, '/admin/import', { simple: up.url });
    assert.equal(refused.status, 400);
    assert.match(await refused.text(), /not among import\.allowHosts/);
    const away = await fakeUpstream(t);
    away.order('/simple/', { redirect: up.url });
    const redirected = await testApp(t, { config: { import: { allowHosts: [new URL(away.url).host] } } });
    assert.match((await imported(redirected, { simple: away.url })).error ?? '', /not among import\.allowHosts/);
  });

  it('is refused in sentences when it is none', async (t) => {
    const up = await fakeUpstream(t);
    up.order('/simple/', { body: '<p>Welcome</p>', contentType: 'text/html' });
    const app = await testApp(t);
    const job = await imported(app, { simple: up.url });
    assert.equal(job.state, 'failed');
    assert.match(job.error ?? '', /does not answer like an index there/);
    const absent = await imported(app, { simple: `${up.url}deeper/` });
    assert.match(absent.error ?? '', /has nothing at \/simple\/deeper\//);
    for (const body of [{}, { simple: up.url, devpi: up.url }, { simple: up.url, what: 1 }, { files: [] }, [], 'x'])
      assert.equal((await post(app, '/admin/import', body)).status, 400, JSON.stringify(body));
    assert.equal((await post(app, '/admin/import', { simple: up.url, projects: ['../x'] })).status, 400);
    const open = { projects: null, credentials: null, index: null };
    assert.equal((await post(app, '/admin/import', { simple: up.url, ...open })).status, 202, 'null leaves it open');
  });
});

describe('files that are sent one by one', () => {
  const announced = [ONE, SDIST, OTHER].map(({ filename, sha256 }) => ({ filename, sha256, uploadTime: TIME }));

  it('have a job that knows the whole list, and what is here already', async (t) => {
    const app = await testApp(t);
    await uploaded(app, OTHER);
    const path = await ordered(app, { files: announced });
    const waiting = (await (await app.admin(`${path}?state=waiting`)).json()) as JobAnswer;
    assert.deepEqual(
      waiting.files.map(({ filename }) => filename),
      [ONE.filename, SDIST.filename],
    );
    assert.deepEqual([waiting.state, waiting.counts.entries, waiting.counts.entriesDone], ['queued', 3, 1]);
    assert.equal((await sent(app, path, ONE)).status, 201);
    assert.equal((await sent(app, path, ONE)).status, 200);
    // Who was broken off asks again.
    assert.equal(await ordered(app, { files: announced.toReversed(), index: null }), path);
    const elsewhere = await app.restart();
    assert.equal((await sent(elsewhere, path, SDIST)).status, 201);
    const job = await finished(elsewhere, path);
    assert.equal(job.state, 'succeeded', JSON.stringify(job));
    assert.deepEqual([job.counts.stored, job.counts.present, job.counts.failed], [2, 1, 0]);
    assert.equal(job.counts.bytes, ONE.bytes.length + SDIST.bytes.length);
    for (const file of await listed(elsewhere, 'acme-lib')) assert.equal(file['upload-time'], TIME);
    assert.equal((await sent(elsewhere, path, TWO)).status, 404);
    assert.notEqual(await ordered(elsewhere, { files: announced }), path, 'a list that is done is another job');
  });

  it('are refused one by one, and the job says so at the end', async (t) => {
    const app = await testApp(t);
    await uploaded(app, ONE);
    const changed = makeWheel({ name: 'acme-lib', version: '1.0', description: 'other bytes' });
    const junk = Buffer.from('junk');
    const sha256 = createHash('sha256').update(junk).digest('hex');
    const files = [
      { filename: changed.filename, sha256: changed.sha256 },
      { filename: 'junk-1.0-py3-none-any.whl', sha256 },
      { filename: 'nameless.zip', sha256 },
      { filename: OTHER.filename, sha256: OTHER.sha256 },
    ];
    const path = await ordered(app, { files });
    const put = (filename: string, body: Buffer) =>
      app.admin(`/admin/import/${path.split('/').at(-1)}/files/${filename}`, {
        method: 'PUT',
        body: new Uint8Array(body),
      });
    assert.equal((await put(OTHER.filename, junk)).status, 400, 'other bytes than announced');
    assert.equal((await put(OTHER.filename, OTHER.bytes)).status, 201, 'and again the right ones');
    assert.equal((await put('junk-1.0-py3-none-any.whl', junk)).status, 400);
    assert.equal((await put('nameless.zip', junk)).status, 400);
    const job = await finished(app, path);
    assert.equal(job.state, 'failed');
    assert.deepEqual([job.counts.stored, job.counts.failed], [1, 3]);
    assert.match(job.files.find(({ key }) => key === changed.filename)?.why ?? '', /is here with other content/);
    assert.equal((await put('junk-1.0-py3-none-any.whl', junk)).status, 409);
    const two = [files[0], { filename: changed.filename, sha256 }];
    assert.equal((await post(app, '/admin/import', { files: two })).status, 400);
    assert.equal((await post(app, '/admin/import', { files: [{ filename: '../x.whl', sha256 }] })).status, 400);
    assert.equal((await put('x.whl', junk)).status, 404);
    assert.equal((await app.admin('/admin/import/none/files/x.whl', { method: 'PUT', body: 'x' })).status, 404);
  });

  it('that do not come are not waited for for ever; the job can be cancelled as well', async (t) => {
    const clock = new FakeClock();
    const app = await testApp(t, { clock });
    const path = await ordered(app, { files: announced });
    const cancelled = await ordered(app, { files: announced.slice(1) });
    assert.equal((await app.admin(cancelled, { method: 'DELETE' })).status, 200);
    assert.equal((await sent(app, cancelled, SDIST)).status, 409);
    await sent(app, path, ONE);
    await clock.advance(25 * 60 * 60_000, { wakes: false });
    const job = await whileTimePasses(clock, finished(app, path));
    assert.equal(job.state, 'failed');
    assert.match(job.error ?? '', /^2 files of the list have not come\./);
    assert.equal((await listed(app, 'acme-lib')).length, 1);
  });
});

/** Orders an import; the path of its job. */
async function ordered(app: TestApp, order: unknown): Promise<string> {
  const answer = await post(app, '/admin/import', order);
  assert.equal(answer.status, 202, await answer.clone().text());
  return answer.headers.get('location') ?? '';
}

async function imported(app: TestApp, order: unknown): Promise<JobAnswer> {
  return await finished(app, await ordered(app, order));
}

/** The job once it has finished. Time passes as it answers, and goes on to its next try when it waits for that. */
async function attended(app: TestApp, path: string, clock: FakeClock): Promise<JobAnswer> {
  for (;;) {
    const job = (await (await app.admin(path)).json()) as JobAnswer & { readonly dueAt: string | null };
    if (!['queued', 'running'].includes(job.state)) return job;
    await clock.advance(Math.max(Date.parse(job.dueAt ?? '') - clock.nowMs() || 0, 100));
  }
}

async function sent(app: TestApp, path: string, file: BuiltFile): Promise<Response> {
  const at = `/admin/import/${path.split('/').at(-1)}/files/${file.filename}`;
  return await app.admin(at, { method: 'PUT', body: new Uint8Array(file.bytes) });
}

async function uploaded(app: TestApp, file: BuiltFile): Promise<void> {
  const form = new FormData();
  const fields = { name: file.name, version: file.version, filetype: 'bdist_wheel' };
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  form.set('content', new Blob([new Uint8Array(file.bytes)]), file.filename);
  assert.equal((await app.admin('/legacy/', { method: 'POST', body: form })).status, 200);
}

async function listed(app: TestApp, project: string, index = ''): Promise<readonly Listed[]> {
  const headers = { accept: 'application/vnd.pypi.simple.v1+json' };
  const answer = await app.get(`${index}/simple/${project}/`, { headers });
  return answer.ok ? ((await answer.json()) as { files: Listed[] }).files : [];
}

async function jobRows(app: TestApp): Promise<unknown> {
  return await (await app.admin('/admin/events')).json();
}
