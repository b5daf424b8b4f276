import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { multipart, multipartHeaders, partsOf } from '../support/multipart.ts';
import { runCli } from '../support/run-cli.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { type BuiltFile, makeSdist, makeWheel } from '../support/wheel.ts';

const PROJECT = '/admin/repositories/local/projects/demo';
const JSON_PAGE = { headers: { accept: 'application/vnd.pypi.simple.v1+json' } };

interface Page {
  readonly versions: string[];
  readonly files: { filename: string; yanked?: unknown }[];
  readonly 'project-status': { status: string; reason?: string };
}

async function upload(app: TestApp, file: BuiltFile): Promise<number> {
  const body = multipart(partsOf(file));
  return (await app.admin('/legacy/', { method: 'POST', headers: multipartHeaders(body), body })).status;
}

async function page(app: TestApp): Promise<Page> {
  return (await (await app.get('/simple/demo/', JSON_PAGE)).json()) as Page;
}

async function etag(app: TestApp): Promise<string | null> {
  return (await app.get('/simple/demo/', JSON_PAGE)).headers.get('etag');
}

async function send(app: TestApp, method: string, path: string, body?: unknown): Promise<number> {
  return (await app.admin(path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })).status;
}

async function kinds(app: TestApp): Promise<string[]> {
  const { events } = (await (await app.admin('/admin/events')).json()) as {
    events: { kind: string; subject: string }[];
  };
  return events.filter((event) => event.subject === 'project/demo').map((event) => event.kind);
}

const WHEEL = makeWheel({ name: 'demo', version: '1.0' });
const SDIST = makeSdist({ name: 'demo', version: '1.0.0' });
const LATER = makeWheel({ name: 'demo', version: '2.0' });

async function withFiles(t: { after(fn: () => Promise<void>): void }): Promise<TestApp> {
  const app = await testApp(t);
  for (const file of [WHEEL, SDIST, LATER]) assert.equal(await upload(app, file), 200);
  return app;
}

describe('what admins do with projects', () => {
  it('yanking marks every file of a release at once, with the reason, and can be taken back', async (t) => {
    const app = await withFiles(t);
    const before = await etag(app);
    const reason = '"><script>alert(1)</script> & more';
    assert.equal(await send(app, 'PATCH', `${PROJECT}/releases/v1.0.0`, { yanked: reason }), 200);
    const yanked = await page(app);
    assert.deepEqual(
      yanked.files.map((file) => [file.filename, file.yanked]),
      [
        [WHEEL.filename, reason],
        [SDIST.filename, reason],
        [LATER.filename, undefined],
      ],
    );
    assert.notEqual(await etag(app), before);
    const html = await (await app.get('/simple/demo/')).text();
    assert.ok(!html.includes('<script>'));
    assert.match(html, /data-yanked="&quot;&gt;&lt;script/);
    // What is added to a yanked release is yanked as well.
    assert.equal(await upload(app, makeWheel({ name: 'demo', version: '1.0', tag: 'py2-none-any' })), 200);
    assert.equal((await page(app)).files.filter((file) => file.yanked === reason).length, 3);
    assert.equal(await send(app, 'PATCH', `${PROJECT}/releases/1.0`, { yanked: '' }), 200);
    assert.equal((await page(app)).files[0]?.yanked, true);
    assert.equal(await send(app, 'PATCH', `${PROJECT}/releases/1.0`, { yanked: false }), 200);
    assert.ok((await page(app)).files.every((file) => file.yanked === undefined));
    const after = await etag(app);
    assert.equal(await send(app, 'PATCH', `${PROJECT}/releases/1.0`, { yanked: false }), 200);
    assert.equal(await etag(app), after);
    assert.deepEqual((await kinds(app)).slice(0, 4), [
      'release-unyanked',
      'release-yanked',
      'upload',
      'release-yanked',
    ]);
  });

  it('deleting takes files from the page, and leaves their names taken', async (t) => {
    const app = await withFiles(t);
    assert.equal(await send(app, 'DELETE', `${PROJECT}/files/${LATER.filename}`), 204);
    assert.deepEqual((await page(app)).versions, ['1.0']);
    assert.equal((await app.get(`/simple/demo/${LATER.filename}`)).status, 404);
    assert.equal((await app.get(`/simple/demo/${LATER.filename}.metadata`)).status, 404);
    assert.equal(await send(app, 'DELETE', `${PROJECT}/files/${LATER.filename}`), 404);
    assert.equal(await send(app, 'DELETE', `${PROJECT}/releases/1`), 204);
    assert.equal(await send(app, 'DELETE', `${PROJECT}/releases/1`), 404);
    // The name stays ours: an upstream is not asked for it.
    assert.deepEqual((await page(app)).files, []);
    for (const file of [WHEEL, SDIST, LATER]) assert.equal(await upload(app, file), 409);
    assert.deepEqual((await kinds(app)).slice(0, 2), ['release-deleted', 'file-deleted']);
    const fresh = makeWheel({ name: 'demo', version: '3.0' });
    assert.equal(await upload(app, fresh), 200);
    assert.deepEqual((await page(app)).versions, ['3.0']);
  });

  it('an archived project offers its files and takes none; a quarantined one does neither', async (t) => {
    const app = await withFiles(t);
    const fresh = makeWheel({ name: 'demo', version: '3.0' });
    assert.equal(await send(app, 'PATCH', PROJECT, { status: 'archived', reason: 'done' }), 200);
    assert.deepEqual((await page(app))['project-status'], { status: 'archived', reason: 'done' });
    assert.equal((await app.get(`/simple/demo/${WHEEL.filename}`)).status, 200);
    assert.equal(await upload(app, fresh), 403);
    assert.equal(await send(app, 'PATCH', PROJECT, { status: 'quarantined' }), 200);
    const quarantined = await page(app);
    assert.deepEqual([quarantined.files, quarantined['project-status']], [[], { status: 'quarantined' }]);
    assert.equal((await app.get(`/simple/demo/${WHEEL.filename}`)).status, 403);
    assert.equal(await upload(app, fresh), 403);
    assert.equal(await send(app, 'PATCH', PROJECT, { status: 'deprecated' }), 200);
    assert.equal(await upload(app, fresh), 200);
    assert.equal(await send(app, 'PATCH', PROJECT, { status: null }), 200);
    assert.deepEqual((await page(app))['project-status'], { status: 'active' });
    assert.equal((await kinds(app))[0], 'project-status-changed');
  });

  it('an upstream is overruled, either way, until the word is taken back', async (t) => {
    const upstream = await fakeUpstream(t);
    upstream.project('demo').add(WHEEL);
    const app = await testApp(t, { upstream: upstream.url });
    const path = '/admin/repositories/pypi/projects/demo';
    assert.equal(await send(app, 'PATCH', path, { status: 'quarantined' }), 404);
    assert.equal((await page(app)).files.length, 1);
    assert.equal(await send(app, 'PATCH', path, { status: 'quarantined', reason: 'malware' }), 200);
    assert.deepEqual((await page(app)).files, []);
    assert.equal((await app.get(`/simple/demo/${WHEEL.filename}`)).status, 403);
    assert.equal(await send(app, 'PATCH', path, { status: 'active' }), 200);
    assert.equal((await page(app)).files.length, 1);
    assert.equal(await send(app, 'PATCH', path, { status: null }), 200);
    assert.equal((await app.get(`/simple/demo/${WHEEL.filename}`)).status, 200);
    assert.deepEqual(await kinds(app), Array(3).fill('project-status-changed'));
  });

  it('what is asked wrongly is refused, and changes nothing', async (t) => {
    const app = await testApp(t, { upstream: 'http://127.0.0.1:9/simple/' });
    assert.equal(await upload(app, WHEEL), 200);
    const before = await etag(app);
    for (const [method, path, body, status] of [
      ['PATCH', PROJECT, { status: 'gone' }, 400],
      ['PATCH', PROJECT, { status: 'active', more: 1 }, 400],
      ['PATCH', PROJECT, [], 400],
      ['PATCH', PROJECT, undefined, 400],
      ['PATCH', `${PROJECT}/releases/1.0`, { yanked: 1 }, 400],
      ['PATCH', `${PROJECT}/releases/1.0`, { yanked: 'a\nb' }, 400],
      ['PATCH', `${PROJECT}/releases/1.0`, { yanked: 'x'.repeat(2000) }, 400],
      ['PATCH', `${PROJECT}/releases/1.0`, 'x'.repeat(100_000), 413],
      ['PATCH', `${PROJECT}/releases/9`, { yanked: true }, 404],
      ['PATCH', `${PROJECT}/releases/not-a-version`, { yanked: true }, 404],
      ['PATCH', '/admin/repositories/local/projects/absent', { status: 'archived' }, 404],
      ['PATCH', '/admin/repositories/local/projects/-', { status: 'archived' }, 400],
      ['PATCH', '/admin/repositories/absent/projects/demo', { status: 'archived' }, 404],
      ['PATCH', '/admin/repositories/__proto__/projects/demo', { status: 'archived' }, 404],
      ['PATCH', '/admin/repositories/pypi/projects/demo/releases/1.0', { yanked: true }, 409],
      ['DELETE', '/admin/repositories/pypi/projects/demo/releases/1.0', undefined, 409],
      ['DELETE', '/admin/repositories/pypi/projects/demo/files/x.whl', undefined, 409],
      ['DELETE', `${PROJECT}/files/..%2f..%2fcatalog.sqlite`, undefined, 404],
    ] as const) {
      assert.equal(
        await send(app, method, path, body),
        status,
        `${method} ${path} ${JSON.stringify(body)}`.slice(0, 120),
      );
    }
    for (const [yanked, told] of [
      [1, /^\/yanked: Expected true, false or a reason$/],
      ['a\nb', /^\/yanked: Control characters/],
    ] as const) {
      const headers = { 'content-type': 'application/json' };
      const init = { method: 'PATCH', headers, body: JSON.stringify({ yanked }) };
      const refused = await app.admin(`${PROJECT}/releases/1.0`, init);
      assert.match(((await refused.json()) as { detail: string }).detail, told);
    }
    const elsewhere = await app.admin('/admin/repositories/absent/projects/demo/files/x.whl', { method: 'DELETE' });
    assert.match(((await elsewhere.json()) as { detail: string }).detail, /only: local, pypi\.$/);
    assert.equal(await etag(app), before);
  });

  it('the command line yanks and takes it back', async (t) => {
    const app = await withFiles(t);
    const env = { STORMCELLAR_URL: app.url, STORMCELLAR_TOKEN: app.token };
    const yanked = await runCli(['yank', 'Demo', 'v1', '--reason', 'broken'], env);
    assert.deepEqual([yanked.status, yanked.stdout], [0, 'yanked demo 1.0\n']);
    assert.equal((await page(app)).files[0]?.yanked, 'broken');
    const back = await runCli(['yank', 'demo', '1.0', '--undo'], env);
    assert.deepEqual([back.status, back.stdout], [0, 'unyanked demo 1.0\n']);
    const absent = await runCli(['yank', 'demo', '9.9'], env);
    assert.deepEqual([absent.status, absent.stdout], [1, '']);
    assert.match(absent.stderr, /^Release not found/);
    assert.equal((await runCli(['yank', 'demo', '1.0', '--undo', '--reason', 'x'], env)).status, 2);
    assert.equal((await runCli(['yank', 'demo'], env)).status, 2);
  });
});
