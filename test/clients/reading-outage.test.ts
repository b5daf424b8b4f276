import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runClient, skipWithout } from '../support/clients.ts';
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts';
import { type Installed, pipInstall, uvInstall } from '../support/installers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type TestServer, testServer } from '../support/test-server.ts';
import { makeSdist, makeWheel } from '../support/wheel.ts';

type Context = Parameters<typeof fakeUpstream>[0];

const dep = makeWheel({ name: 'demo-dep', version: '1.5' });
const options = { name: 'Demo_Pkg', requiresDist: ['demo-dep>=1'] };
const stored = makeWheel({ ...options, version: '1.0' });
const unstored = makeWheel({ ...options, version: '2.0' });
const source = makeSdist({ name: 'demo-src', version: '1.0' });
const big = makeWheel({ name: 'big', version: '1.0', padding: 3_000_000 });
const WAS = { demo_pkg: '1.0', demo_dep: '1.5' };

/** A server, as a program, with demo-pkg 1.0 stored and 2.0 only listed; pages are asked again at once. */
async function stage(t: Context): Promise<{ up: FakeUpstream; server: TestServer; index: string }> {
  const up = await fakeUpstream(t, { files: 'other' });
  up.project('demo-dep').add(dep);
  up.project('demo-pkg').add(stored).add(unstored);
  up.project('demo-src').add(source);
  up.project('never-asked').add(makeWheel({ name: 'never-asked', version: '1' }));
  up.project('big').add(big);
  const upstreamKeys = {
    freshFor: '0ms',
    staleAfter: '300ms',
    timeout: '2s',
    connectTimeout: '1s',
    probeEvery: '200ms',
  };
  const server = await testServer(t, { upstream: up.url, upstreamKeys });
  const index = `${server.url}/simple/`;
  const warm = await pipInstall({ index, args: ['demo-pkg==1.0', 'demo-src'] });
  assert.deepEqual(warm.versions, { ...WAS, demo_src: '1.0' }, warm.output);
  return { up, server, index };
}

async function installsAsBefore(index: string): Promise<void> {
  const runs = await Promise.all([
    pipInstall({ index, args: ['demo-pkg==1.0', 'demo-src'] }),
    uvInstall({ index, args: ['demo-pkg==1.0', 'demo-src'] }),
  ]);
  for (const { versions, output } of runs) assert.deepEqual(versions, { ...WAS, demo_src: '1.0' }, output);
}

function refused(installed: Installed, sentence: RegExp): void {
  assert.notEqual(installed.status, 0);
  assert.deepEqual(installed.versions, {});
  assert.match(installed.output, sentence);
}

describe('with the upstream gone', { skip: skipWithout('pip', 'uv', 'python') }, () => {
  it('what was installed once is installed again, also after a restart in the middle', async (t) => {
    const { up, server, index } = await stage(t);
    await up.refuse();
    await installsAsBefore(index);
    // The breaker is open now: what cannot be had is not chosen.
    for (const install of [uvInstall, pipInstall]) {
      const unpinned = await install({ index, args: ['demo-pkg'] });
      assert.deepEqual(unpinned.versions, WAS, unpinned.output);
      const sentence = /not stored here, and pypi has not answered since \d{4}-\d\d-\d\dT/;
      refused(await install({ index, args: ['demo-pkg==2.0'] }), sentence);
    }
    assert.equal(await server.stop(), 0);
    await server.start();
    await installsAsBefore(index);
    const unpinned = await uvInstall({ index, args: ['demo-pkg'] });
    assert.deepEqual(unpinned.versions, WAS, unpinned.output);
    refused(await uvInstall({ index, args: ['never-asked'] }), /50[23]/);

    await up.accept();
    let newest: Installed;
    do newest = await uvInstall({ index, args: ['demo-pkg'] });
    while (newest.versions.demo_pkg === '1.0');
    assert.deepEqual(newest.versions, { ...WAS, demo_pkg: '2.0' }, newest.output);
  });
});

describe('with the upstream hanging', { skip: skipWithout('pip', 'uv', 'python') }, () => {
  it('what was installed once is installed again, without much waiting', async (t) => {
    const { up, index } = await stage(t);
    up.order('*', { hang: true });
    await installsAsBefore(index);
    const began = Date.now();
    await installsAsBefore(index);
    assert.ok(Date.now() - began < 10_000);
  });
});

describe('killed in the middle of a cold download', { skip: skipWithout('pip', 'python') }, () => {
  it('the server is asked again by pip where it was, and stores it then', async (t) => {
    const { up, server, index } = await stage(t);
    const until = Promise.withResolvers<void>();
    up.order(`/files/${big.filename}`, { holdAfter: { bytes: 2_000_000, until: until.promise } });
    const cwd = await tempDir(t);
    const args = ['download', '--no-input', '--no-cache-dir', '--no-deps', '--index-url', index, '--retries', '10'];
    const running = runClient('pip', [...args, 'big'], { cwd, env: { TMPDIR: cwd }, signal: t.signal });
    while (!(await hasBegun(cwd))) await new Promise(setImmediate);
    await server.stop('SIGKILL');
    up.order(`/files/${big.filename}`);
    until.resolve();
    await server.start();
    const { status, output } = await running;
    assert.equal(status, 0, output);
    assert.match(output, /Resuming download/i);
    await up.refuse();
    assert.equal((await server.get(`/offline/simple/big/${big.filename}`)).status, 200);
  });
});

/** Has pip bytes of the file? */
async function hasBegun(dir: string): Promise<boolean> {
  for (const entry of await readdir(dir, { recursive: true })) {
    if (entry.endsWith(big.filename)) return (await stat(join(dir, entry))).size > 0;
  }
  return false;
}
