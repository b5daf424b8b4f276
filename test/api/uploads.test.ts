import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { FakeClock } from '../support/fake-clock.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { type FormPart, multipart, multipartHeaders, partsOf } from '../support/multipart.ts';
import { type RawResponse, rawRequest } from '../support/raw-request.ts';
import { spoolsOf } from '../support/spools.ts';
import { basic, bearer } from '../support/test-access.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { type BuiltFile, makeSdist, makeWheel } from '../support/wheel.ts';

const WHEEL = makeWheel({ name: 'Demo_Pkg', version: '1.0', requiresPython: '>=3.9,<4', requiresDist: ['other>=1'] });
const FILE_PAGE = '/simple/demo-pkg/';

interface PostOptions {
  readonly path?: string;
  readonly authorization?: string;
  readonly accept?: string;
}

async function post(app: TestApp, parts: readonly FormPart[], options: PostOptions = {}): Promise<RawResponse> {
  const body = multipart(parts);
  const { path = '/legacy/', authorization = basic(app.token), accept } = options;
  const headers = { ...multipartHeaders(body), authorization, ...(accept === undefined ? {} : { accept }) };
  return await rawRequest(app.url, { method: 'POST', path, headers, body });
}

async function upload(app: TestApp, file: BuiltFile, form: Record<string, string> = {}, options: PostOptions = {}) {
  return await post(app, partsOf(file, form), options);
}

interface PageFile {
  readonly filename: string;
  readonly url: string;
  readonly hashes: Record<string, string>;
  readonly [key: string]: unknown;
}

async function page(app: TestApp, path = FILE_PAGE) {
  const response = await app.get(path, { headers: { accept: 'application/vnd.pypi.simple.v1+json' } });
  const empty = { versions: [], files: [] };
  const body = (response.status === 200 ? await response.json() : empty) as { versions: string[]; files: PageFile[] };
  return { response, body };
}

async function token(app: TestApp, wanted: Record<string, unknown>): Promise<string> {
  const body = JSON.stringify({ name: 'test', ...wanted });
  const made = await app.admin('/admin/tokens', { method: 'POST', body });
  return ((await made.json()) as { token: string }).token;
}

describe('uploads', () => {
  it('are on the page, downloadable and described when they are done', async (t) => {
    const clock = new FakeClock();
    const app = await testApp(t, { clock });
    assert.equal((await page(app)).response.status, 404);
    const answer = await upload(app, WHEEL);
    assert.deepEqual([answer.status, answer.body], [200, 'OK\n']);
    const { body } = await page(app);
    const [file] = body.files;
    assert.ok(file);
    assert.equal(file.filename, WHEEL.filename);
    assert.equal(file['requires-python'], '>=3.9,<4');
    assert.equal(file.size, WHEEL.bytes.length);
    assert.equal(file['upload-time'], clock.now().toISOString());
    assert.deepEqual(file.hashes, { sha256: WHEEL.sha256 });
    const bytes = Buffer.from(await (await app.get(FILE_PAGE + file.url)).arrayBuffer());
    assert.ok(bytes.equals(WHEEL.bytes));
    const metadata = Buffer.from(await (await app.get(`${FILE_PAGE}${file.url}.metadata`)).arrayBuffer());
    assert.ok(metadata.equals(WHEEL.metadata));
    assert.deepEqual(file['core-metadata'], { sha256: createHash('sha256').update(metadata).digest('hex') });
    assert.deepEqual(await spoolsOf(app), []);
  });

  it('go to the default index or to a named one, with a slash or not, and are never redirected', async (t) => {
    const app = await testApp(t, {
      config: {
        repositories: {
          local: { kind: 'hosted' },
          other: { kind: 'hosted' },
          far: { kind: 'upstream', url: 'http://127.0.0.1:9/simple/' },
        },
        indexes: {
          main: { repositories: ['local'] },
          second: { repositories: ['other'] },
          none: { repositories: ['far'] },
        },
      },
    });
    const paths = ['/legacy/', '/legacy', '/index/second/legacy/', '/index/second/legacy', '//legacy/'];
    for (const [i, path] of paths.entries()) {
      const file = makeWheel({ name: `demo${i}`, version: '1.0' });
      assert.equal((await upload(app, file, {}, { path })).status, 200, path);
      const prefix = path.startsWith('/index') ? '/index/second' : '';
      assert.equal((await app.get(`${prefix}/simple/demo${i}/`)).status, 200, path);
    }
    assert.equal((await app.get('/simple/demo2/')).status, 404);
    assert.equal((await upload(app, WHEEL, {}, { path: '/index/absent/legacy/' })).status, 404);
    assert.equal((await upload(app, WHEEL, {}, { path: '/index/none/legacy/' })).status, 409);
    assert.equal((await upload(app, WHEEL, {}, { path: '/offline/legacy/' })).status, 405);
    assert.equal((await upload(app, WHEEL, {}, { path: '/at/2026-01-01/legacy/' })).status, 405);
  });

  it('are told apart from reading', async (t) => {
    const app = await testApp(t);
    for (const path of ['/legacy/', '/legacy']) {
      const answer = await app.get(path);
      assert.deepEqual([answer.status, answer.headers.get('allow')], [405, 'POST']);
    }
    const wrong = await upload(app, WHEEL, {}, { path: '/simple/' });
    assert.deepEqual([wrong.status, wrong.headers.allow], [405, 'GET, HEAD, OPTIONS']);
  });

  it('answer the question that hatch asks before', async (t) => {
    const app = await testApp(t);
    assert.equal((await app.admin('/legacy/%2Bsimple/demo-pkg/')).status, 404);
    await upload(app, WHEEL);
    for (const path of [
      '/legacy/%2Bsimple/demo-pkg/',
      '/legacy/+simple/Demo.Pkg/',
      '/index/main/legacy/+simple/demo-pkg/',
    ]) {
      const answer = await app.admin(path);
      assert.equal(answer.status, 200, path);
      assert.match(String(answer.headers.get('content-type')), /^text\/html/);
      assert.match(await answer.text(), /<a [^>]+>demo_pkg-1\.0-py3-none-any\.whl<\/a>/);
    }
  });

  it('may have their fields in any order, and parts without a type', async (t) => {
    const app = await testApp(t);
    for (let i = 0; i < 8; i++) {
      const file = makeWheel({ name: 'demo', version: `1.${i}` });
      const digests = {
        blake2_256_digest: '',
        md5_digest: createHash('md5').update(file.bytes).digest('hex').toUpperCase(),
      };
      const parts = partsOf(file, { ...digests, classifiers: 'a', attestations: '[{"version": 1}]' });
      // Turned by some, so that the file comes first, last and in between.
      const turned = [...parts.slice(i * 2), ...parts.slice(0, i * 2)];
      turned.push({ name: 'classifiers', value: 'b' }, { name: 'gpg_signature', value: 'sig', filename: 'x.asc' });
      assert.equal((await post(app, turned)).status, 200);
    }
    assert.equal((await page(app, '/simple/demo/')).body.files.length, 8);
    assert.deepEqual(await spoolsOf(app), []);
  });

  it('keep a long description whole', async (t) => {
    const app = await testApp(t);
    const description = `${'é'.repeat(1_500_000)}end`;
    const file = makeWheel({ name: 'demo', version: '1.0', description });
    assert.equal((await upload(app, file, { description })).status, 200);
    const metadata = await (await app.get(`/simple/demo/${file.filename}.metadata`)).text();
    assert.ok(metadata.endsWith('end'));
    const tooLong = await upload(app, WHEEL, { description: 'x'.repeat(8 * 1024 * 1024 + 1) });
    assert.equal(tooLong.status, 413);
    assert.deepEqual(await spoolsOf(app), []);
  });

  it('of the same bytes again are fine; of others, or under a deleted name, are refused', async (t) => {
    const clock = new FakeClock();
    const app = await testApp(t, { clock });
    await upload(app, WHEEL);
    const before = await page(app);
    await clock.advance(60_000);
    assert.equal((await upload(app, WHEEL)).status, 200);
    const after = await page(app);
    assert.deepEqual(after.body, before.body);
    assert.equal(after.response.headers.get('etag'), before.response.headers.get('etag'));
    const other = makeWheel({ name: 'Demo_Pkg', version: '1.0', description: 'other' });
    const refused = await upload(app, other);
    assert.equal(refused.status, 409);
    assert.match(refused.statusMessage, /^File already exists/);
    assert.equal((await page(app)).body.files[0]?.hashes.sha256, WHEEL.sha256);
    const path = `/admin/repositories/local/projects/demo-pkg/files/${WHEEL.filename}`;
    assert.equal((await app.admin(path, { method: 'DELETE' })).status, 204);
    assert.equal((await upload(app, WHEEL)).status, 409);
    assert.equal((await upload(app, other)).status, 409);
    assert.deepEqual((await page(app)).body.files, []);
  });

  it('are refused in words, in the status line, in the body, and in JSON for uv', async (t) => {
    const app = await testApp(t);
    const form = { sha256_digest: '0'.repeat(64) };
    const text = await upload(app, WHEEL, form);
    assert.equal(text.status, 400);
    assert.match(text.statusMessage, /sha256_digest/);
    assert.match(text.body, /sha256_digest/);
    const accept = 'application/json;q=0.9, text/plain;q=0.8, text/html;q=0.7';
    const json = await upload(app, WHEEL, form, { accept });
    assert.equal(json.headers['content-type'], 'application/json');
    const document = JSON.parse(json.body) as Record<string, string>;
    assert.deepEqual(Object.keys(document), ['message', 'code', 'title']);
    assert.match(String(document.code), /^400 .*sha256_digest/);
    const odd = await upload(app, WHEEL, { filetype: 'é – \n\r x' });
    assert.equal(odd.status, 400);
    assert.ok(!odd.statusMessage.includes('\n'));
    assert.deepEqual(await spoolsOf(app), []);
  });

  it('take the truth from the file', async (t) => {
    const app = await testApp(t);
    await upload(app, WHEEL, { requires_dist: 'evil', requires_python: '>=2', license: 'evil', summary: 'evil' });
    for (const path of [FILE_PAGE, `${FILE_PAGE}${WHEEL.filename}.metadata`, '/pypi/demo-pkg/json']) {
      assert.ok(!(await (await app.get(path)).text()).includes('evil'), path);
    }
  });

  it('with more to say than anybody reads are described without it', async (t) => {
    const app = await testApp(t, { config: { limits: { metadataBytes: '20MiB' } } });
    const file = makeWheel({ name: 'wordy', version: '1.0', description: 'word '.repeat(3_600_000) });
    assert.equal((await upload(app, file)).status, 200);
    const answer = await app.get('/pypi/wordy/json');
    assert.equal(answer.status, 200);
    const { info } = (await answer.json()) as { info: { name: string; description: string } };
    assert.deepEqual([info.name, info.description], ['wordy', '']);
  });

  it('of a name are found under every spelling of it', async (t) => {
    const app = await testApp(t);
    const file = makeWheel({ name: 'My_pkg.sub', version: '1.0' });
    assert.equal((await upload(app, file, { name: 'My-pkg.sub' })).status, 200);
    assert.equal((await page(app, '/simple/my-pkg-sub/')).body.files.length, 1);
    assert.equal((await upload(app, file, { name: 'other' })).status, 400);
  });

  it('hide the upstream project of the same name, whatever it has', async (t) => {
    const upstream = await fakeUpstream(t);
    upstream.project('demo-pkg').add(makeWheel({ name: 'demo-pkg', version: '99.0' }));
    const app = await testApp(t, { upstream: upstream.url });
    assert.deepEqual((await page(app)).body.versions, ['99.0']);
    await upload(app, WHEEL);
    assert.deepEqual((await page(app)).body.versions, ['1.0']);
    assert.equal((await app.get(`${FILE_PAGE}demo_pkg-99.0-py3-none-any.whl`)).status, 404);
  });

  it('keep what has an epoch and a local label', async (t) => {
    const app = await testApp(t);
    const file = makeWheel({ name: 'demo_loc', version: '1!2.0+cpu.1' });
    assert.equal((await upload(app, file)).status, 200);
    const raw = await rawRequest(app.url, { path: `/simple/demo-loc/${file.filename}` });
    const encoded = await app.get('/simple/demo-loc/demo_loc-1%212.0%2Bcpu.1-py3-none-any.whl');
    assert.deepEqual([raw.status, encoded.status], [200, 200]);
  });

  it('make one release of 1.0 and 1.0.0', async (t) => {
    const app = await testApp(t);
    await upload(app, makeWheel({ name: 'demo', version: '1.0' }));
    await upload(app, makeSdist({ name: 'demo', version: '1.0.0' }));
    const { body } = await page(app, '/simple/demo/');
    assert.deepEqual(body.versions, ['1.0']);
    assert.equal(body.files.length, 2);
  });

  it('need the right to, asked for before the body and again for the project', async (t) => {
    const app = await testApp(t);
    const reader = await token(app, { can: ['read'] });
    const uploader = await token(app, { can: ['upload'] });
    const scoped = await token(app, { can: ['upload'], projects: ['demo-*'] });
    const other = await token(app, { can: ['upload'], projects: ['other'] });
    const status = async (authorization: string) => (await upload(app, WHEEL, {}, { authorization })).status;
    assert.equal(await status(basic('nonsense')), 401);
    assert.equal((await post(app, partsOf(WHEEL), { authorization: '' })).status, 401);
    assert.equal(await status(bearer(reader)), 403);
    const told = (await upload(app, WHEEL, {}, { authorization: bearer(reader) })).body.toString();
    assert.match(told, /allow it: "upload" is needed\.\n$/);
    assert.equal(await status(bearer(other)), 403);
    assert.equal(await status(basic(scoped)), 200);
    assert.equal(await status(basic(uploader, 'anybody')), 200);
    // A name in the form that the token may have does not open another.
    const sneaky = makeWheel({ name: 'forbidden', version: '1.0' });
    const trick = await upload(app, sneaky, { name: 'demo-x' }, { authorization: basic(scoped) });
    assert.equal(trick.status, 400);
    const renamed = { ...sneaky, filename: 'demo_x-1.0-py3-none-any.whl' };
    assert.equal((await upload(app, renamed, { name: 'demo-x' }, { authorization: basic(scoped) })).status, 400);
    assert.equal((await page(app, '/simple/forbidden/')).response.status, 404);
    assert.deepEqual(await spoolsOf(app), []);
  });

  it('go into the audit trail under the name of the token', async (t) => {
    const app = await testApp(t);
    await upload(app, WHEEL, {}, { authorization: basic(await token(app, { name: 'ci', can: ['upload'] })) });
    const { events } = (await (await app.admin('/admin/events?kind=upload')).json()) as {
      events: Record<string, unknown>[];
    };
    assert.equal(events.length, 1);
    assert.equal(events[0]?.by, 'ci');
    assert.equal(events[0]?.subject, 'project/demo-pkg');
  });

  it('are judged by the rules of the house', async (t) => {
    const strict = { localVersions: false, directUrlDependencies: false, linuxPlatformTags: false, zipSdists: false };
    const app = await testApp(t, {
      config: { uploads: { ...strict, unknownClassifiers: false, oldSdistNames: false } },
    });
    const options = { name: 'demo', version: '1.0' };
    const refused = [
      makeWheel({ ...options, version: '1.0+cpu' }),
      makeWheel({ ...options, requiresDist: ['x @ https://host.example/x.whl'] }),
      makeWheel({ ...options, tag: 'cp311-cp311-linux_x86_64' }),
      makeWheel({ ...options, metadataLines: ['Classifier: Private :: x'] }),
      { ...makeSdist(options), filename: 'demo-1.0.zip' },
      { ...makeSdist({ ...options, name: 'de-mo' }), filename: 'de-mo-1.0.tar.gz' },
    ];
    for (const file of refused) assert.equal((await upload(app, file)).status, 400, file.filename);
    assert.equal((await upload(app, makeWheel(options))).status, 200);
  });

  it('are there after a restart', async (t) => {
    const app = await testApp(t);
    await upload(app, WHEEL);
    const before = await page(app);
    const again = await app.restart();
    assert.deepEqual((await page(again)).body, before.body);
    assert.equal((await again.get(FILE_PAGE + WHEEL.filename)).status, 200);
  });
});
