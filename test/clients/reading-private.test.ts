import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { clientPath, runClient, skipWithout } from '../support/clients.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { pipInstall, uvInstall } from '../support/installers.ts';
import { multipart, multipartHeaders, partsOf } from '../support/multipart.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { type BuiltFile, makeSdist, makeWheel } from '../support/wheel.ts';

async function upload(app: TestApp, ...files: readonly BuiltFile[]): Promise<void> {
  for (const file of files) {
    const body = multipart(partsOf(file));
    const answer = await app.admin('/legacy/', { method: 'POST', headers: multipartHeaders(body), body });
    assert.equal(answer.status, 200, await answer.text());
  }
}

const INSTALLERS = { pip: pipInstall, uv: uvInstall };

describe('what was uploaded here', { skip: skipWithout('pip', 'uv', 'python') }, () => {
  it('is installed by name, pin, source and time, and not mixed with a namesake upstream', async (t) => {
    const up = await fakeUpstream(t);
    up.project('corp-lib').add(makeWheel({ name: 'corp-lib', version: '99.0' }));
    const dep = makeWheel({ name: 'public-dep', version: '1.0' });
    up.project('public-dep').add(dep);
    const app = await testApp(t, { upstream: up.url });
    const local = makeWheel({ name: 'corp-lib', version: '1!2.0+cpu.1', requiresDist: ['public-dep'] });
    await upload(
      app,
      makeWheel({ name: 'Corp_Lib', version: '1.0' }),
      makeSdist({ name: 'Corp_Lib', version: '1.0' }),
      local,
    );
    const index = `${app.url}/simple/`;
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
    for (const [name, install] of Object.entries(INSTALLERS)) {
      const newest = await install({ index, args: ['corp-lib'] });
      assert.deepEqual(newest.versions, { corp_lib: '1!2.0+cpu.1', public_dep: '1.0' }, newest.output);
      const pinned = await install({ index, args: ['Corp.Lib==1'] });
      assert.deepEqual(pinned.versions, { corp_lib: '1.0' }, pinned.output);
      const built = await install({ index, args: ['--no-binary', 'corp-lib', 'corp-lib==1.0'] });
      assert.deepEqual(built.versions, { corp_lib: '1.0' }, built.output);
      const limit = name === 'pip' ? '--uploaded-prior-to' : '--exclude-newer';
      const timely = await install({ index, args: [limit, tomorrow, 'corp-lib==1.0'] });
      assert.deepEqual(timely.versions, { corp_lib: '1.0' }, timely.output);
      const early = await install({ index, args: [limit, '2020-01-01', 'corp-lib==1.0'] });
      assert.deepEqual(early.versions, {}, early.output);
    }
    assert.equal(up.requests('/simple/corp-lib*'), 0);
  });

  it('is seen as it is at once by clients whose caches are warm', async (t) => {
    const app = await testApp(t);
    const project = '/admin/repositories/local/projects/corp-lib';
    const yank = async (yanked: unknown) => {
      const body = JSON.stringify({ yanked });
      assert.equal((await app.admin(`${project}/releases/2.0`, { method: 'PATCH', body })).status, 200);
    };
    const steps: readonly (readonly [then: () => Promise<unknown>, versions: Record<string, string>])[] = [
      [async () => undefined, {}],
      [() => upload(app, makeWheel({ name: 'corp-lib', version: '1.0' })), { corp_lib: '1.0' }],
      [() => upload(app, makeWheel({ name: 'corp-lib', version: '2.0' })), { corp_lib: '2.0' }],
      [() => yank('bad'), { corp_lib: '1.0' }],
      [() => yank(false), { corp_lib: '2.0' }],
      [() => app.admin(`${project}/releases/2.0`, { method: 'DELETE' }), { corp_lib: '1.0' }],
      [async () => undefined, { corp_lib: '1.0' }],
    ];
    const caches = { pip: await tempDir(t), uv: await tempDir(t) };
    for (const [then, versions] of steps) {
      await then();
      for (const name of ['pip', 'uv'] as const) {
        const options = { index: `${app.url}/simple/`, args: ['corp-lib'], cacheDir: caches[name] };
        const installed = await INSTALLERS[name](options);
        assert.deepEqual(installed.versions, versions, installed.output);
      }
    }
    const unchanged = app.logged.filter(({ path, status }) => path === '/simple/corp-lib/' && status === 304);
    assert.ok(unchanged.length > 0, 'their caches are warm, and ask each time');
  });

  it('that a project is not here sends uv to the next index, and that this cannot be told does not', async (t) => {
    const [first, second] = [await fakeUpstream(t), await fakeUpstream(t)];
    second.project('elsewhere').add(makeWheel({ name: 'elsewhere', version: '1.0' }));
    const app = await testApp(t, { upstream: first.url });
    const ask = () => uvInstall({ index: second.url, args: ['--index', `${app.url}/simple/`, 'elsewhere'] });
    const found = await ask();
    assert.deepEqual(found.versions, { elsewhere: '1.0' }, found.output);
    await first.refuse();
    const fresh = await testApp(t, { upstream: first.url });
    const args = ['--index', `${fresh.url}/simple/`, 'elsewhere'];
    const unsure = await uvInstall({ index: second.url, args });
    assert.deepEqual(unsure.versions, {}, unsure.output);
  });

  it('is installed from a closed server with what netrc says, and by no token that may not read', async (t) => {
    const app = await testApp(t, { config: { access: { anonymous: [] } } });
    await upload(app, makeWheel({ name: 'corp-lib', version: '1.0' }));
    const body = JSON.stringify({ name: 'uploads only', can: ['upload'] });
    const made = (await (await app.admin('/admin/tokens', { method: 'POST', body })).json()) as { token: string };
    const index = `${app.url}/simple/`;
    for (const install of Object.values(INSTALLERS)) {
      const home = async (secret: string) => {
        const cwd = await tempDir(t);
        const netrc = join(cwd, '.netrc');
        await writeFile(netrc, `machine 127.0.0.1 login __token__ password ${secret}\n`, { mode: 0o600 });
        return { cwd, env: { NETRC: netrc } };
      };
      const known = await install({ index, args: ['corp-lib'], ...(await home(app.token)) });
      assert.deepEqual(known.versions, { corp_lib: '1.0' }, known.output);
      const refused = await install({ index, args: ['corp-lib'], ...(await home(made.token)) });
      assert.deepEqual(refused.versions, {}, refused.output);
      const nobody = await install({ index, args: ['corp-lib'] });
      assert.deepEqual(nobody.versions, {}, nobody.output);
    }
    const statuses = new Set(app.logged.filter((line) => line.msg === 'request').map((line) => line.status));
    assert.ok(statuses.has(401) && statuses.has(403) && !statuses.has(404), [...statuses].join());
  });
});

describe('poetry', { skip: skipWithout('poetry', 'python') }, () => {
  it('reads the ends of wheels where upstream announces no metadata, stored or not', async (t) => {
    const up = await fakeUpstream(t);
    const wheel = makeWheel({ name: 'bare', version: '1.0', requiresDist: ['more'], padding: 100_000 });
    const more = makeWheel({ name: 'more', version: '1.0', padding: 100_000 });
    up.project('bare').add(wheel, { coreMetadata: 'none' });
    up.project('more').add(more, { coreMetadata: 'none' });
    const app = await testApp(t, { upstream: up.url });
    for (const _ of ['cold', 'stored']) {
      const cwd = await tempDir(t);
      const source = `[[tool.poetry.source]]\nname = "cellar"\nurl = "${app.url}/simple/"\npriority = "primary"\n`;
      const project = '[project]\nname = "mine"\nversion = "0.1"\nrequires-python = ">=3.8"\ndependencies = ["bare"]\n';
      await writeFile(join(cwd, 'pyproject.toml'), `${project}\n[tool.poetry]\npackage-mode = false\n\n${source}`);
      const env = { POETRY_CACHE_DIR: join(cwd, 'cache'), POETRY_PYTHON: clientPath('python') };
      const locked = await runClient('poetry', ['--no-interaction', 'lock'], { cwd, env });
      assert.equal(locked.status, 0, locked.output);
    }
    const seen = app.logged.filter((line) => line.msg === 'request').map(({ path, status }) => `${path} ${status}`);
    assert.ok(seen.includes(`/simple/bare/${wheel.filename} 206`), seen.join('\n'));
    assert.ok(seen.includes(`/simple/more/${more.filename}.metadata 200`), 'announced once it is stored');
  });
});
