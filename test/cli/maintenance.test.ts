import assert from 'node:assert/strict';
import { readdir, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FakeClock } from '../support/fake-clock.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { multipart, multipartHeaders, partsOf } from '../support/multipart.ts';
import { runCli } from '../support/run-cli.ts';
import { digestOf } from '../support/spooled.ts';
import { testApp } from '../support/test-app.ts';
import { makeWheel } from '../support/wheel.ts';

describe('stormcellar verify and gc', () => {
  it('mend what upstream has, tell what nobody has, and remove what nothing refers to', async (t) => {
    const upstream = await fakeUpstream(t);
    const pulled = makeWheel({ name: 'pulled', version: '1.0' });
    upstream.project('pulled').add(pulled);
    const app = await testApp(t, { upstream: upstream.url });
    assert.equal((await app.get(`/simple/pulled/${pulled.filename}`)).status, 200);
    const mine = makeWheel({ name: 'mine', version: '1.0' });
    const body = multipart(partsOf(mine));
    const sent = await app.admin('/legacy/', { method: 'POST', headers: multipartHeaders(body), body });
    assert.equal(sent.status, 200);
    const env = { STORMCELLAR_URL: app.url, STORMCELLAR_TOKEN: app.token };
    const sound = await runCli(['verify'], env);
    assert.equal(sound.status, 0, sound.stderr);
    assert.match(sound.stdout, /^4 blobs read, .*: 0 corrupt, 0 missing, 0 of them mended\n$/);

    const files = await readdir(join(app.dataDir, 'blobs'), { recursive: true });
    const pathOf = (digest: string) => {
      const found = files.find((path) => path.endsWith(digest));
      assert.ok(found);
      return join(app.dataDir, 'blobs', found);
    };
    await writeFile(pathOf(pulled.sha256), 'other bytes');
    const mended = await runCli(['verify', '--json'], env);
    assert.equal(mended.status, 0, mended.stderr);
    const told = JSON.parse(mended.stdout) as { corrupt: number; repaired: number; damaged: { key: string }[] };
    assert.deepEqual([told.corrupt, told.repaired, told.damaged.map(({ key }) => key)], [1, 1, [pulled.sha256]]);

    await unlink(pathOf(mine.sha256));
    const lost = await runCli(['verify'], env);
    assert.equal(lost.status, 1);
    assert.match(
      lost.stdout,
      new RegExp(`1 missing, 0 of them mended\\n  ${digestOf(mine.bytes)}  missing, nobody has it\\n$`),
    );
    assert.match(lost.stderr, /1 blobs are damaged and nobody has them/);

    const gc = await runCli(['gc'], env);
    assert.equal(gc.status, 0, gc.stderr);
    assert.match(gc.stdout, /^\d+ blobs looked at, 0 removed \(0 B\)\n$/);
    const detached = await runCli(['gc', '--detach'], env);
    assert.deepEqual([detached.status, detached.stderr], [0, '']);
    assert.match(detached.stdout, /^\d+-\S+\n$/);
    for (const command of ['gc', 'verify']) {
      const { status, stdout } = await runCli([command, '--detach', '--json'], env);
      assert.deepEqual([status, Object.keys(JSON.parse(stdout))], [0, ['id']], command);
    }
    const refused = await runCli(['verify'], { STORMCELLAR_URL: app.url });
    assert.deepEqual([refused.status, refused.stdout], [1, '']);
  });

  it('tell what was let go to keep within the limit, and what is still too much', async (t) => {
    const upstream = await fakeUpstream(t);
    const wheels = ['alpha', 'beta'].map((name) => makeWheel({ name, version: '1.0' }));
    for (const wheel of wheels) upstream.project(wheel.name).add(wheel);
    const clock = new FakeClock();
    const limits = { minFreeBytes: '0B', cacheBytes: 1 };
    const app = await testApp(t, { upstream: upstream.url, clock, config: { limits } });
    for (const { name, filename } of wheels) {
      assert.equal((await app.get(`/simple/${name}/${filename}`)).status, 200);
      // Which waits until the wheel is stored.
      assert.equal((await app.get(`/simple/${name}/${filename}.metadata`)).status, 200);
    }
    const env = { STORMCELLAR_URL: app.url, STORMCELLAR_TOKEN: app.token };
    // A server begins with one of its own accord.
    assert.equal((await runCli(['gc'], env)).status, 0);
    await clock.advance(40 * 86_400_000, { wakes: false });
    const { filename = '', name = '', bytes } = wheels[1] ?? {};
    assert.equal((await app.get(`/simple/${name}/${filename}`)).status, 200);
    const gc = await runCli(['gc'], env);
    const size = bytes?.length ?? 0;
    assert.match(gc.stdout, /^1 file of an upstream let go \([\d.]+ \w+\)\n/);
    assert.match(
      gc.stdout,
      new RegExp(`\nThe cache has ${size} bytes, ${size - 1} more than limits\\.cacheBytes: .*\\.\n`),
    );
    assert.match(gc.stdout, /\n\d+ blobs looked at, 1 removed/);
  });
});
