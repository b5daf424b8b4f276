import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { A1, B1, lockOf, pins, mirrorWorld as world } from '../support/mirror-world.ts';
import { finished, type JobAnswer, mirror, post } from '../support/mirroring.ts';
import { testApp } from '../support/test-app.ts';

describe('jobs', () => {
  test('can be listed, looked at, followed and given up', async (t) => {
    const { up, app } = await world(t);
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    up.order(`/files/${A1.filename}`, { hold: held });
    const answer = await post(app, '/admin/mirror', lockOf(pins(A1, B1)));
    const { id } = (await answer.json()) as { id: string };
    await up.waitFor(`/files/${A1.filename}`);
    const running = (await (await app.admin(`/admin/jobs/${id}`)).json()) as JobAnswer;
    assert.equal(running.state, 'running');
    const listed = (await (await app.admin('/admin/jobs?state=running')).json()) as { jobs: { id: string }[] };
    assert.ok(listed.jobs.some((job) => job.id === id));
    const cancelled = await app.admin(`/admin/jobs/${id}`, { method: 'DELETE' });
    assert.equal(cancelled.status, 200);
    const job = await finished(app, `/admin/jobs/${id}`);
    assert.equal(job.state, 'cancelled');
    release();
    assert.equal((await app.admin('/admin/jobs/nothing')).status, 404);
    assert.equal((await app.admin('/admin/jobs/nothing/events')).status, 404);
    assert.equal((await app.admin('/admin/jobs/nothing/lock')).status, 404);
    assert.equal((await app.admin(`/admin/jobs/${id}/lock`)).status, 409);
    assert.equal((await app.admin('/admin/jobs?state=odd')).status, 400);
  });

  test('go on after a stop in the middle, and fetch nothing twice', async (t) => {
    const { up, app } = await world(t);
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    up.order(`/files/${B1.filename}`, { hold: held, times: 1 });
    const answer = await post(app, '/admin/mirror', lockOf(pins(A1, B1)));
    const { id } = (await answer.json()) as { id: string };
    await up.waitFor(`/files/${B1.filename}`);
    await up.waitFor(`/files/${A1.filename}`);
    const next = await app.restart();
    release();
    const job = await finished(next, `/admin/jobs/${id}`);
    assert.equal(job.state, 'succeeded', JSON.stringify(job));
    assert.equal(up.requests(`/files/${A1.filename}`), 1);
  });

  test('events tell files and end with the job', async (t) => {
    const { app } = await world(t);
    const { id } = await mirror(app, lockOf(pins(A1)));
    const events = await app.admin(`/admin/jobs/${id}/events`);
    assert.match(events.headers.get('content-type') ?? '', /^text\/event-stream/);
    const text = await events.text();
    assert.match(text, /^event: file\ndata: \{"key":"alpha\/alpha-1\.0-py3-none-any\.whl","state":"stored"/);
    assert.match(text, /id: \d+\nevent: job\ndata: \{.*"state":"succeeded".*\}\n\n$/);
  });

  test('events that come faster than they are read leave nothing behind on the connection', async (t) => {
    const { app } = await world(t);
    const files = Array.from({ length: 8_000 }, (_, at) => ({
      filename: `many-${at}.0-py3-none-any.whl`,
      sha256: at.toString(16).padStart(64, '0'),
    }));
    const { id } = (await (await post(app, '/admin/import', { files })).json()) as { id: string };
    await app.admin(`/admin/jobs/${id}`, { method: 'DELETE' });
    const warnings: Error[] = [];
    const take = (warning: Error): void => {
      if (warning.name === 'MaxListenersExceededWarning') warnings.push(warning);
    };
    process.on('warning', take);
    t.after(() => process.off('warning', take));
    const text = await (await app.admin(`/admin/jobs/${id}/events`)).text();
    assert.equal(text.split('event: file\n').length - 1, files.length);
    assert.deepEqual(warnings, []);
  });
});

test('Location of a job has the path before it that publicUrl or a trusted proxy says', async (t) => {
  for (const [config, prefix] of [
    [{}, ''],
    [{ publicUrl: 'https://cellar.example' }, ''],
    [{ publicUrl: 'https://cellar.example/py/' }, '/py'],
    [{ trustProxy: ['127.0.0.1'] }, '/cellar'],
  ] as const) {
    const app = await testApp(t, { config });
    for (const path of ['/admin/mirror', '/admin/gc', '/admin/import']) {
      const body = path === '/admin/import' ? { simple: 'https://index.example/simple/' } : lockOf('');
      const answer = await post(app, path, body, { 'X-Forwarded-Prefix': '/cellar' });
      const { id } = (await answer.json()) as { id: string };
      assert.equal(answer.headers.get('location'), `${prefix}/admin/jobs/${id}`, path);
    }
  }
});

describe('bad input', () => {
  test('no lock at all is none that is ready', async (t) => {
    const { app } = await world(t);
    for (const path of ['/admin/drill', '/admin/mirror']) {
      const answer = await app.admin(`${path}?name=requirements.txt`, { method: 'POST' });
      assert.equal(answer.status, 400, path);
      assert.match(await answer.text(), /The body is empty/);
      const refusal = await (await app.get('/nothing')).text();
      assert.equal((await post(app, path, lockOf(refusal))).status, 400, `${path} ${refusal}`);
    }
  });

  const cases: readonly (readonly [why: string, path: string, type: string, body: string | Buffer, pattern: RegExp])[] =
    [
      ['no name', '/admin/mirror', 'text/plain', 'a==1', /name=requirements\.txt/],
      ['a name that is no lock', '/admin/mirror?name=Cargo.lock', 'text/plain', 'a==1', /none of requirements/],
      ['a fault with its line', '/admin/drill?name=requirements.txt', 'text/plain', 'a==1\n=bad\n', /line 2/],
      [
        'an environment variable',
        '/admin/mirror?name=requirements.txt',
        'text/plain',
        `a @ https://$${'{TOKEN}'}@x.example/a.zip\n`,
        /line 1/,
      ],
      ['a path up', '/admin/mirror?name=requirements.txt', 'text/plain', '-r ../../etc/passwd\n', /not sent along/],
      ['no JSON', '/admin/mirror', 'application/json', '{', /not valid JSON/],
      ['an unknown key', '/admin/mirror', 'application/json', '{"name":"uv.lock","content":"","keeps":"x"}', /keeps/],
      ['a wrong target', '/admin/drill?name=a.txt&target=linux', 'text/plain', 'a==1', /target/],
      ['no UTF-8', '/admin/drill?name=a.txt', 'text/plain', Buffer.from([0x61, 0xff, 0x62]), /UTF-8/],
      [
        'a name with a slash',
        '/admin/mirror',
        'application/json',
        '{"name":"a.txt","content":"","keep":"../x"}',
        /keep/,
      ],
      [
        'a watch without a name',
        '/admin/mirror',
        'application/json',
        '{"name":"a.txt","content":"","watch":{"url":"https://a.example/","every":"1d"}}',
        /watch/,
      ],
      [
        'a watch of a file',
        '/admin/mirror',
        'application/json',
        '{"name":"a.txt","content":"","keep":"x","watch":{"url":"file:///etc/passwd","every":"1d"}}',
        /watch/,
      ],
      [
        'a watch at a host that nothing is fetched from',
        '/admin/mirror',
        'application/json',
        '{"name":"a.txt","content":"a==1","keep":"x","watch":{"url":"https://a.example/r.txt","every":"1d"}}',
        /a\.example\/r\.txt cannot be fetched: it is an address at a\.example, which is not among fetch\.allowHosts/,
      ],
    ];
  for (const [why, path, type, body, pattern] of cases) {
    test(why, async (t) => {
      const { app } = await world(t);
      const sent = typeof body === 'string' ? body : new Uint8Array(body);
      const answer = await app.admin(path, { method: 'POST', headers: { 'content-type': type }, body: sent });
      const text = await answer.text();
      assert.equal(answer.status, 400, text);
      assert.match(text, pattern);
    });
  }

  test('what is null is left open', async (t) => {
    const { app } = await world(t);
    const open = { parts: null, index: null, targets: null, sdists: null, keep: null, watch: null };
    assert.equal((await post(app, '/admin/drill', { ...lockOf('beta==1.0\n'), ...open })).status, 200);
    assert.equal((await post(app, '/admin/mirror', { ...lockOf('beta==1.0\n'), ...open })).status, 202);
  });

  test('too large, and an index that is not there', async (t) => {
    const { app } = await world(t, { config: { limits: { lockBytes: '1KiB', minFreeBytes: '0B' } } });
    const large = '# comment\n'.repeat(200);
    assert.equal((await post(app, '/admin/mirror', lockOf(large))).status, 413);
    const plain = await app.admin('/admin/drill?name=a.txt', { method: 'POST', body: large });
    assert.equal(plain.status, 413);
    assert.equal((await post(app, '/admin/mirror', { ...lockOf('a==1'), index: 'other' })).status, 404);
    assert.equal((await app.get('/admin/locks')).status, 401);
    assert.equal((await app.get('/sources/a/a-1.zip')).status, 404);
    assert.equal((await app.get('/sources/..%2f/a')).status, 400);
  });

  test('UTF-16, as PowerShell writes it', async (t) => {
    const { app } = await world(t);
    const body = Buffer.from(`\ufeff${pins(A1)}`, 'utf16le');
    const answer = await app.admin('/admin/drill?name=requirements.txt', {
      method: 'POST',
      body: new Uint8Array(body),
    });
    assert.equal(answer.status, 200);
    assert.equal(((await answer.json()) as { missing: unknown[] }).missing.length, 1);
  });
});
