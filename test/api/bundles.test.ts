import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { makeBundle } from '../support/bundle.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { spoolsOf } from '../support/spools.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { sha256Of } from '../support/wheel.ts';

type Json = Record<string, unknown>;

async function json(response: Response | Promise<Response>): Promise<Json> {
  return (await (await response).json()) as Json;
}

function put(app: TestApp, version: string, bytes: Buffer | string, more: RequestInit & { query?: string } = {}) {
  const { query = '', ...init } = more;
  return app.admin(`/bundles/myapp/${version}/myapp-${version}.tar.gz${query}`, {
    method: 'PUT',
    body: bytes,
    ...init,
  });
}

test('a version is pushed once, seen at once, and downloaded as it was', async (t) => {
  const app = await testApp(t);
  const { bytes } = makeBundle('myapp', '0.1', { Flask: '3.0.0', 'markup-safe': '2.1' });
  const digest = sha256Of(bytes);
  const base64 = createHash('sha256').update(bytes).digest('base64');
  const created = await put(app, '0.1', bytes, {
    query: '?channel=staging&commit=abc123&tag=v0.1&build-url=https://ci.example/7',
    headers: { 'Repr-Digest': `sha-256=:${base64}:`, 'X-Checksum-Sha256': digest.toUpperCase() },
  });
  assert.equal(created.status, 201);
  assert.equal(created.headers.get('location'), 'myapp-0.1.tar.gz');
  const body = await json(created);
  assert.deepEqual(body.contents, [
    { name: 'flask', version: '3.0.0', path: 'myapp-0.1/vendors/Flask-3.0.0.dist-info' },
    { name: 'markup-safe', version: '2.1', path: 'myapp-0.1/vendors/markup_safe-2.1.dist-info' },
  ]);
  const view = await json(app.get('/bundles/myapp/0.1'));
  assert.equal(view.sha256, digest);
  assert.equal(view.size, bytes.length);
  assert.deepEqual(
    [view.commit, view.tag, view.buildUrl, view.by, view.filename, view.channels],
    ['abc123', 'v0.1', 'https://ci.example/7', 'bootstrap', 'myapp-0.1.tar.gz', ['staging']],
  );

  const file = await app.get('/bundles/myapp/0.1/myapp-0.1.tar.gz');
  assert.deepEqual(Buffer.from(await file.arrayBuffer()), bytes);
  assert.equal(file.headers.get('repr-digest'), `sha-256=:${base64}:`);
  assert.equal(file.headers.get('etag'), `"${digest}"`);
  assert.equal(file.headers.get('content-type'), 'application/gzip');
  assert.equal(file.headers.get('content-encoding'), null);
  assert.equal(file.headers.get('content-disposition'), 'attachment; filename="myapp-0.1.tar.gz"');
  assert.match(file.headers.get('cache-control') ?? '', /immutable/);
  const part = await app.get('/bundles/myapp/0.1/myapp-0.1.tar.gz', { headers: { range: 'bytes=10-19' } });
  assert.equal(part.status, 206);
  assert.deepEqual(Buffer.from(await part.arrayBuffer()), bytes.subarray(10, 20));

  const viaChannel = await app.get('/bundles/myapp/@staging/download');
  assert.equal(viaChannel.status, 200);
  assert.equal(viaChannel.headers.get('content-location'), '../0.1/myapp-0.1.tar.gz');
  assert.match(viaChannel.headers.get('cache-control') ?? '', /no-cache/);
  assert.deepEqual(Buffer.from(await viaChannel.arrayBuffer()), bytes);
  const unchanged = await app.get('/bundles/myapp/@staging/download', { headers: { 'if-none-match': `"${digest}"` } });
  assert.equal(unchanged.status, 304);
  assert.equal(await (await app.get('/bundles/myapp/@latest/sha256')).text(), `${digest}  myapp-0.1.tar.gz\n`);
});

test('the same bytes again change nothing; other bytes, other names and wrong digests are refused and leave nothing', async (t) => {
  const app = await testApp(t);
  const { bytes } = makeBundle('myapp', '0.1');
  assert.equal((await put(app, '0.1', bytes)).status, 201);
  assert.equal((await put(app, '0.1', bytes, { query: '?commit=other' })).status, 200);
  assert.equal((await json(app.get('/bundles/myapp/0.1'))).commit, null);
  const other = await put(app, '0.1', makeBundle('myapp', '0.1', { flask: '1' }).bytes);
  assert.equal(other.status, 409);
  assert.match(String((await json(other)).detail), /other bytes/);
  assert.equal((await app.admin('/bundles/myapp/0.1/else.tar.gz', { method: 'PUT', body: bytes })).status, 409);
  const wrong = await put(app, '0.2', bytes, { headers: { 'X-Checksum-Sha256': '0'.repeat(64) } });
  assert.equal(wrong.status, 400);
  assert.equal((await json(wrong)).type, '/problems/digest-mismatch');
  assert.equal((await app.get('/bundles/myapp/0.2')).status, 404);
  for (const headers of [
    { 'Repr-Digest': 'sha-512=:AAAA:' },
    { 'X-Checksum-Sha256': 'abc' },
    { 'Content-Encoding': 'gzip' },
    { 'Content-Range': 'bytes 0-1/2' },
  ]) {
    assert.equal((await put(app, '0.2', bytes, { headers })).status, 400, JSON.stringify(headers));
  }
  assert.equal((await put(app, '0.2', '')).status, 400);
  assert.deepEqual(await spoolsOf(app), []);
});

test('headers say what the query can, with or without X-', async (t) => {
  const app = await testApp(t);
  for (const [at, prefix] of ['', 'X-', 'X-Stormcellar-'].entries()) {
    const version = `0.${at}`;
    const words = { Channel: 'staging', Commit: 'abc', Tag: 'v1', 'Build-Url': 'https://ci.example/7' };
    const headers = Object.fromEntries(Object.entries(words).map(([name, value]) => [prefix + name, value]));
    assert.equal((await put(app, version, `bytes ${at}`, { headers })).status, 201);
    const { commit, tag, buildUrl, channels } = await json(app.get(`/bundles/myapp/${version}`));
    assert.deepEqual([commit, tag, buildUrl, channels], ['abc', 'v1', 'https://ci.example/7', ['staging']], prefix);
  }
});

test('a form does the same, with a lock that is compared with what is inside', async (t) => {
  const app = await testApp(t);
  const { bytes, filename } = makeBundle('myapp', '0.1', { Flask: '3.0.0', Jinja2: '3.1', click: '8.1' });
  const pinned = '1'.repeat(64);
  const lock = `flask==3.0.0 \\\n    --hash=sha256:${pinned}\njinja2==3.2\nwerkzeug==3.0 ; python_version > "3"\n# click==8.1\n`;
  const form = new FormData();
  form.set('version', '0.1');
  form.set('buildUrl', 'https://ci.example/8');
  form.set('lock', new Blob([lock]), 'requirements.txt');
  form.set('content', new Blob([bytes]), filename);
  form.set('channel', 'staging');
  const created = await app.admin('/bundles/myapp', { method: 'POST', body: form });
  assert.equal(created.status, 201, await created.clone().text());
  assert.equal(created.headers.get('location'), 'myapp/0.1/myapp-0.1.tar.gz');
  const view = await json(app.get('/bundles/myapp/0.1'));
  assert.equal(view.buildUrl, 'https://ci.example/8');
  assert.deepEqual(view.lock, {
    name: 'requirements.txt',
    sha256: sha256Of(lock),
    notInLock: [{ name: 'click', version: '8.1' }],
    notInBundle: [{ name: 'werkzeug', version: '3.0' }],
    differs: [{ name: 'jinja2', vendored: '3.1', locked: '3.2' }],
  });
  assert.equal(await (await app.get('/bundles/myapp/0.1/lock')).text(), lock);
  const found = (await json(app.get(`/bundles/?sha256=${pinned}`))).found as Json[];
  assert.deepEqual(
    found.map(({ app: name, version, channels, match }) => [name, version, channels, match]),
    [['myapp', '0.1', ['staging'], 'lock']],
  );
  assert.equal((await app.get('/bundles/myapp/@staging')).status, 200);
  for (const [name, content, notInBundle] of [
    ['pylock.toml', 'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "gone"\nversion = "1"\n', ['gone']],
    ['uv.lock', 'this is no lock', null],
    ['notes.lock', 'gone==1\n', ['gone']],
  ] as const) {
    const more = new FormData();
    more.set('version', name);
    more.set('lock', new Blob([content]), name);
    more.set('content', new Blob([bytes]), filename);
    assert.equal((await app.admin('/bundles/myapp', { method: 'POST', body: more })).status, 201, name);
    const compared = (await json(app.get(`/bundles/myapp/${name}`))).lock as { notInBundle: { name: string }[] | null };
    assert.deepEqual(compared.notInBundle?.map((one) => one.name) ?? null, notInBundle, name);
  }
  const incomplete = new FormData();
  incomplete.set('content', new Blob([bytes]), filename);
  assert.equal((await app.admin('/bundles/myapp', { method: 'POST', body: incomplete })).status, 400);
});

test('channels are promoted, compared, rolled back and told about', async (t) => {
  const app = await testApp(t);
  for (const version of ['1.0', '1.10', '1.9', '2.0rc1', 'build-7']) {
    const { bytes } = makeBundle('myapp', version, { flask: version === '1.10' ? '3.1' : '3.0', only: version });
    assert.equal((await put(app, version, bytes)).status, 201);
  }
  const promote = (body: Json, channel = 'production') =>
    app.admin(`/bundles/myapp/channels/${channel}`, { method: 'PUT', body: JSON.stringify(body) });
  assert.equal((await promote({ version: '1.0', expected: null, why: 'first' })).status, 200);
  assert.equal((await promote({ version: '1.9', expected: null })).status, 412);
  const moved = await promote({ version: '1.10', expected: '1.9' });
  assert.equal(moved.status, 412);
  assert.equal((await json(moved)).current, '1.0');
  const racing = await Promise.all(
    ['1.9', '1.10', '2.0rc1', 'build-7'].map((version) => promote({ version, expected: '1.0' })),
  );
  assert.deepEqual(racing.map(({ status }) => status).sort(), [200, 412, 412, 412]);
  const listed = await json(app.get('/bundles/myapp'));
  assert.equal(listed.name, 'myapp');
  assert.deepEqual(
    (listed.versions as Json[]).map(({ version }) => version),
    ['2.0rc1', '1.10', '1.9', '1.0', 'build-7'],
  );
  assert.equal((await json(app.get('/bundles/myapp/@latest'))).version, '1.10');

  const back = () => app.admin('/bundles/myapp/channels/production/rollback', { method: 'POST' });
  assert.equal((await json(back())).version, '1.0');
  assert.equal((await back()).status, 409);
  const history = await json(app.get('/bundles/myapp/channels/production/history'));
  const moves = history.moves as Json[];
  assert.deepEqual(
    moves.map(({ kind }) => kind),
    ['promote', 'promote', 'rollback'],
  );
  assert.deepEqual([moves[0]?.from, moves[0]?.to, moves[0]?.by, moves[0]?.why], [null, '1.0', 'bootstrap', 'first']);

  const diff = await json(app.get('/bundles/myapp/diff?from=@production&to=1.10'));
  assert.deepEqual(diff.changed, [
    { name: 'flask', from: '3.0', to: '3.1' },
    { name: 'only', from: '1.0', to: '1.10' },
  ]);
  const holding = (await json(app.get('/bundles/?contains=Flask==3.1.0'))).found as Json[];
  assert.deepEqual(
    holding.map(({ version }) => version),
    ['1.10'],
  );
  assert.equal(((await json(app.get('/bundles/?contains=flask'))).found as Json[]).length, 5);
  const remove = (version: string) => app.admin(`/bundles/myapp/${version}`, { method: 'DELETE' });
  const refused = await remove('1.0');
  assert.equal(refused.status, 409);
  assert.deepEqual((await json(refused)).channels, ['production']);
  assert.equal((await remove('1.9')).status, 204);
  assert.equal((await app.get('/bundles/myapp/1.9')).status, 404);
  const events = (await json(app.admin('/admin/events?subject=bundle/myapp'))).events as Json[];
  const kinds = new Set(events.map(({ kind }) => kind));
  for (const kind of ['bundle-uploaded', 'channel-promoted', 'channel-rolled-back', 'bundle-deleted']) {
    assert.ok(kinds.has(kind), kind);
  }
});

test('a channel is removed with its hold on versions, and its history stays', async (t) => {
  const app = await testApp(t);
  for (const version of ['1', '2']) await put(app, version, `bytes ${version}`, { query: '?channel=pr-42' });
  const channel = '/bundles/myapp/channels/pr-42';
  const remove = (query = '') => app.admin(`${channel}${query}`, { method: 'DELETE' });
  assert.equal((await remove('?expected=1')).status, 412);
  assert.equal((await remove('?expected=2&why=merged')).status, 204);
  assert.equal((await remove()).status, 404);
  assert.equal((await app.get('/bundles/myapp/@pr-42')).status, 404);
  assert.deepEqual((await json(app.get('/bundles/myapp'))).channels, {});
  assert.equal((await app.admin('/bundles/myapp/2', { method: 'DELETE' })).status, 204);
  const again = await app.admin(channel, { method: 'PUT', body: '{"version":"1","expected":null}' });
  assert.deepEqual([again.status, ((await json(again)).move as Json).seq], [200, 3]);
  const { moves } = await json(app.get(`${channel}/history`));
  assert.deepEqual(
    (moves as Json[]).map(({ from, to }) => [from, to]),
    [
      [null, '1'],
      ['1', '2'],
      [null, '1'],
    ],
  );
  assert.equal((await app.admin(`${channel}/rollback`, { method: 'POST' })).status, 409);
  const { events } = await json(app.admin('/admin/events?kind=channel-removed'));
  assert.deepEqual(
    (events as Json[]).map(({ subject, detail }) => [subject, detail]),
    [['bundle/myapp', { channel: 'pr-42', from: '2', why: 'merged' }]],
  );
});

test('a rule of the configuration puts one channel before another, and only admins may force it', async (t) => {
  const app = await testApp(t, { config: { channels: { production: { after: 'staging' } } } });
  const token = String(
    (await json(app.admin('/admin/tokens', { method: 'POST', body: JSON.stringify({ name: 'ci', can: ['bundle'] }) })))
      .token,
  );
  const { bytes } = makeBundle('myapp', '1');
  const direct = await put(app, '1', bytes, { query: '?channel=production' });
  assert.equal(direct.status, 409);
  assert.equal((await app.get('/bundles/myapp/1')).status, 404);
  assert.equal((await put(app, '1', bytes)).status, 201);
  const promote = (body: Json, secret = app.token, channel = 'production') =>
    app.get(`/bundles/myapp/channels/${channel}`, {
      method: 'PUT',
      body: JSON.stringify(body),
      headers: { authorization: `Bearer ${secret}` },
    });
  const early = await promote({ version: '1' }, token);
  assert.equal((await json(early)).type, '/problems/channel-order');
  assert.equal((await promote({ version: '1', force: true }, token)).status, 403);
  assert.equal((await promote({ version: '1', force: true, why: 'fire' })).status, 200);
  const moves = (await json(app.get('/bundles/myapp/channels/production/history'))).moves as Json[];
  assert.deepEqual([moves[0]?.kind, moves[0]?.why], ['forced', 'fire']);
  assert.equal((await put(app, '2', makeBundle('myapp', '2').bytes, { query: '?channel=staging' })).status, 201);
  assert.equal((await promote({ version: '2' }, token)).status, 200);
});

test('retention lets old versions go, never what a channel points to or pointed to last', async (t) => {
  const app = await testApp(t);
  for (const version of ['1', '2', '3', '4', '5', '6']) await put(app, version, makeBundle('myapp', version).bytes);
  const promote = (version: string) =>
    app.admin('/bundles/myapp/channels/production', { method: 'PUT', body: JSON.stringify({ version }) });
  for (const version of ['1', '2', '3']) assert.equal((await promote(version)).status, 200);
  await app.admin('/bundles/myapp/channels/production/rollback', { method: 'POST' });
  const set = (body: Json, query = '') =>
    app.admin(`/bundles/myapp/retention${query}`, { method: 'PUT', body: JSON.stringify(body) });
  const names = (view: Json) => (view.removes as Json[]).map(({ version }) => version);
  assert.deepEqual(names(await json(set({ keep: 1 }, '?dry-run'))), ['5', '4']);
  assert.deepEqual((await json(app.get('/bundles/myapp/retention'))).keep, null);
  for (const keepPerChannel of [0, 1]) {
    assert.deepEqual(names(await json(set({ keep: 1, keepPerChannel }, '?dry-run'))), ['5', '4']);
  }
  assert.equal((await set({ keep: 0 })).status, 400);
  const view = await json(set({ keep: 2, keepPerChannel: 3 }));
  assert.deepEqual([view.keep, view.keepPerChannel, view.source, names(view)], [2, 3, 'app', ['4']]);
  const ran = await json(app.admin('/bundles/myapp/retention/run', { method: 'POST' }));
  assert.deepEqual(names(ran), ['4']);
  const left = ((await json(app.get('/bundles/myapp'))).versions as Json[]).map(({ version }) => version);
  assert.deepEqual(left, ['6', '5', '3', '2', '1']);
});

test('retention runs by itself every day', async (t) => {
  const clock = new FakeClock();
  const app = await testApp(t, { clock, config: { retention: { '*': { keep: 1, keepPerChannel: 0 } } } });
  for (const version of ['1', '2', '3']) {
    await put(app, version, makeBundle('myapp', version).bytes);
    await clock.advance(1000);
  }
  await clock.advance(24 * 60 * 60_000, { wakes: false });
  await clock.advance(1000);
  for (let left = 3; left > 1; ) left = ((await json(app.get('/bundles/myapp'))).versions as Json[]).length;
  assert.equal((await json(app.get('/bundles/myapp/@latest'))).version, '3');
});

test('a bill of materials lists what is inside', async (t) => {
  const app = await testApp(t);
  await put(app, '1', makeBundle('myapp', '1', { flask: '3.0+local', click: '8' }).bytes);
  const response = await app.get('/bundles/myapp/@latest/sbom');
  assert.match(response.headers.get('content-type') ?? '', /^application\/vnd\.cyclonedx\+json/);
  const bom = await json(response);
  assert.equal(bom.specVersion, '1.6');
  assert.deepEqual(
    (bom.components as Json[]).map(({ purl }) => purl),
    ['pkg:pypi/click@8', 'pkg:pypi/flask@3.0%2Blocal'],
  );
  assert.equal((await put(app, '2', 'no archive at all')).status, 201);
  const unread = await json(app.get('/bundles/myapp/2'));
  assert.equal(unread.contents, null);
  assert.match(String(unread.contentsNote), /^unreadable: /);
  assert.equal((await app.get('/bundles/myapp/2/sbom')).status, 409);
  assert.equal((await app.get('/bundles/myapp/diff?from=1&to=2')).status, 409);
});

test('bad names and bad requests are the caller’s fault, always', async (t) => {
  const app = await testApp(t);
  await put(app, '1', makeBundle('myapp', '1').bytes);
  const bad: [string, RequestInit][] = [
    ['/bundles/..%2fx/1/f', { method: 'PUT', body: 'x' }],
    ['/bundles/myapp/%40prod/f', { method: 'PUT', body: 'x' }],
    ['/bundles/myapp/latest/f', { method: 'PUT', body: 'x' }],
    ['/bundles/myapp/2/sbom', { method: 'PUT', body: 'x' }],
    ['/bundles/myapp/2/a%0d%0ab', { method: 'PUT', body: 'x' }],
    ['/bundles/myapp/2/a%00', { method: 'PUT', body: 'x' }],
    ['/bundles/myapp/2/%2e%2e%2fa', { method: 'PUT', body: 'x' }],
    ['/bundles/myapp/2/f?build-url=javascript:x', { method: 'PUT', body: 'x' }],
    ['/bundles/myapp/2/f?channel=No', { method: 'PUT', body: 'x' }],
    ['/bundles/myapp/2/f?commit=a&commit=b', { method: 'PUT', body: 'x' }],
    ['/bundles/myapp/2/f?channel=a&channel=b', { method: 'PUT', body: 'x' }],
    ['/bundles/myapp/channels/latest', { method: 'PUT', body: '{"version":"1"}' }],
    ['/bundles/myapp/channels/prod', { method: 'PUT', body: '{' }],
    ['/bundles/myapp/channels/prod', { method: 'PUT', body: '{}' }],
    ['/bundles/myapp/channels/prod', { method: 'PUT', body: '{"version":"1","expected":7}' }],
    ['/bundles/myapp/channels/prod', { method: 'PUT', body: '{"version":"9"}' }],
    ['/bundles/myapp/channels/prod/rollback', { method: 'POST' }],
    ['/bundles/myapp/channels/prod/history', {}],
    ['/bundles/myapp/channels/prod/history?limit=x', {}],
    ['/bundles/myapp/diff', {}],
    ['/bundles/myapp/diff?from=1&to=@nope', {}],
    ['/bundles/?contains=%20', {}],
    ['/bundles/?sha256=xyz', {}],
    ['/bundles/nope', {}],
    ['/bundles/nope/1', {}],
    ['/bundles/myapp/9', {}],
    ['/bundles/myapp/1/other.tar.gz', {}],
    ['/bundles/myapp/1/lock', {}],
    ['/bundles/myapp', { method: 'POST', body: 'x' }],
  ];
  for (const [path, init] of bad) {
    const response = await app.admin(path, init);
    assert.ok(response.status >= 400 && response.status < 500, `${path}: ${response.status}`);
    assert.equal(response.headers.get('content-type'), 'application/problem+json', path);
  }
});

test('reading and writing need the right to, on the application in question', async (t) => {
  const app = await testApp(t, { config: { access: { anonymous: [] } } });
  await put(app, '1', makeBundle('myapp', '1').bytes);
  await app.admin('/bundles/other/1/f.bin', { method: 'PUT', body: 'x' });
  const token = async (grant: Json) =>
    String(
      (await json(app.admin('/admin/tokens', { method: 'POST', body: JSON.stringify({ name: 't', ...grant }) }))).token,
    );
  const as = (secret: string, path: string, init: RequestInit = {}) =>
    app.get(path, { ...init, headers: { authorization: `Bearer ${secret}` } });
  for (const path of [
    '/bundles/',
    '/bundles/myapp',
    '/bundles/nope',
    '/bundles/myapp/@latest/download',
    '/bundles/%20',
  ]) {
    assert.equal((await app.get(path)).status, 401, path);
  }
  const reader = await token({ can: ['read'], apps: ['my*'] });
  const names = ((await json(as(reader, '/bundles/'))).bundles as Json[]).map(({ name }) => name);
  assert.deepEqual(names, ['myapp']);
  assert.equal((await as(reader, '/bundles/myapp/1')).status, 200);
  assert.equal((await as(reader, '/bundles/other/1')).status, 403);
  assert.equal((await as(reader, '/bundles/myapp/2/f', { method: 'PUT', body: 'x' })).status, 403);
  const builder = await token({ can: ['bundle'], apps: ['myapp'] });
  assert.equal((await as(builder, '/bundles/myapp/2/f', { method: 'PUT', body: 'x' })).status, 201);
  assert.equal((await as(builder, '/bundles/other/2/f', { method: 'PUT', body: 'x' })).status, 403);
  assert.equal((await as(builder, '/bundles/myapp/3/f?force=1', { method: 'PUT', body: 'x' })).status, 403);
});
