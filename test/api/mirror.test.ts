import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { A1, B1, lockOf, NATIVE, NATIVE_SDIST, pins, mirrorWorld as world } from '../support/mirror-world.ts';
import { drill, type JobAnswer, mirror, rewritten } from '../support/mirroring.ts';
import { makeWheel } from '../support/wheel.ts';

function outcomes({ files }: JobAnswer): readonly (readonly [string, string | undefined])[] {
  return files.map(({ state, filename }) => [state, filename] as const);
}

describe('mirroring a lock', () => {
  test('stores what is pinned, says so file by file, and a drill proves it with the upstream gone', async (t) => {
    const { up, app } = await world(t);
    const lock = lockOf(pins(A1, B1));
    const before = await drill(app, lock);
    assert.equal(before.ready, false);
    assert.deepEqual(
      before.missing.map(({ name, version }) => [name, version]),
      [
        ['alpha', '1.0'],
        ['beta', '1.0'],
      ],
    );
    assert.equal(up.requests(), 0, 'a drill asks nobody');
    const job = await mirror(app, lock);
    assert.equal(job.state, 'succeeded', JSON.stringify(job));
    assert.deepEqual(
      job.files.map(({ state, filename, sha256 }) => [state, filename, sha256]),
      [
        ['stored', A1.filename, A1.sha256],
        ['stored', B1.filename, B1.sha256],
      ],
    );
    assert.equal(job.bytes, A1.bytes.length + B1.bytes.length);
    await up.refuse();
    const { ready, present, missing } = await drill(app, lock);
    assert.deepEqual({ ready, present, missing }, { ready: true, present: 2, missing: [] });
    for (const file of [A1, B1]) {
      const answer = await app.get(`/simple/${file.name}/${file.filename}`);
      assert.equal(answer.status, 200);
      assert.deepEqual(Buffer.from(await answer.arrayBuffer()), file.bytes);
      const metadata = await app.get(`/simple/${file.name}/${file.filename}.metadata`);
      assert.equal(await metadata.text(), file.metadata.toString());
    }
    assert.equal(await rewritten(app, job), lock.content);
    const again = await mirror(app, lock);
    assert.equal(again.state, 'succeeded');
    assert.deepEqual(outcomes(again), [
      ['present', A1.filename],
      ['present', B1.filename],
    ]);
  });

  test('what a requirements file should name is told', async (t) => {
    const { app } = await world(t);
    const job = await mirror(app, lockOf('# only this\nalpha==1.0\n'));
    const detail = 'alpha requires beta, which the lock does not name: an install would look for it';
    assert.deepEqual(job.result?.notes, [{ place: 'line 2', detail }]);
  });

  test('what is not mirrored, and what points elsewhere, is told', async (t) => {
    const { app } = await world(t);
    const detailsOf = async (call: Parameters<typeof drill>[1]) =>
      (await drill(app, call)).notes.map(({ place, detail }) => `${place}: ${detail}`);
    assert.deepEqual(await detailsOf(lockOf('-e ./mine\n--find-links ./wheels\n')), [
      'line 2: --find-links names a place with files, which is not looked at.',
      'line 1: ./mine lies on the machine that made the lock, and is not mirrored',
    ]);
    const url = `https://files.example/${A1.filename}`;
    const content = `version = 1\n\n[[package]]\nname = "mine"\nversion = "1"\nsource = { editable = "." }\n\n[[package]]\nname = "alpha"\nversion = "1.0"\nsource = { registry = "https://index.example/simple" }\nwheels = [{ url = "${url}", hash = "sha256:${A1.sha256}" }]\n`;
    assert.deepEqual(await detailsOf({ name: 'uv.lock', content }), [
      '/package/1: the files of 1 packages are addressed elsewhere: the rewritten lock has their addresses here',
    ]);
  });

  test('a pin without hashes gets every file of its version, and its hashes', async (t) => {
    const { app } = await world(t);
    const job = await mirror(app, lockOf('native==1.0\nbeta==1.0  # why\n'));
    assert.equal(job.state, 'succeeded');
    assert.equal(job.files.length, 5);
    const hashes = [...NATIVE, NATIVE_SDIST].map(({ sha256 }) => sha256).sort();
    const lines = hashes.map((sha256) => ` \\\n    --hash=sha256:${sha256}`).join('');
    assert.equal(
      await rewritten(app, job),
      `native==1.0${lines}\nbeta==1.0 \\\n    --hash=sha256:${B1.sha256}  # why\n`,
    );
  });

  test('pages of files elsewhere are none that the rewritten lock needs', async (t) => {
    const { app } = await world(t);
    const job = await mirror(app, lockOf(`--find-links https://links.example/\n${pins(B1)}`));
    assert.equal(job.state, 'succeeded', JSON.stringify(job));
    assert.match(JSON.stringify(job.result?.notes), /the rewritten lock does without it/);
    assert.equal(await rewritten(app, job), `\n${pins(B1)}`);
    assert.match(await rewritten(app, job, '?urls=canonical'), /^--find-links https:\/\/links\.example\/\n/);
  });

  test('archives in a folder beside a uv.lock stay there, and are told', async (t) => {
    const { app } = await world(t);
    const mine = makeWheel({ name: 'mine', version: '2.0' });
    const lockAt = (index: string) =>
      `version = 1\n\n[[package]]\nname = "mine"\nversion = "2.0"\nsource = { registry = "." }\ndependencies = [{ name = "beta", source = { registry = "wheels" } }]\nwheels = [{ path = "${mine.filename}" }]\n\n[[package]]\nname = "beta"\nversion = "1.0"\nsource = { registry = "${index}" }\nwheels = [{ url = "${index}/beta/${B1.filename}", hash = "sha256:${B1.sha256}" }]\n`;
    const job = await mirror(app, { name: 'uv.lock', content: lockAt('https://index.example/simple') });
    assert.equal(job.state, 'succeeded', JSON.stringify(job));
    assert.match(JSON.stringify(job.result?.notes), /mine lies on the machine that made the lock, and is not mirrored/);
    assert.equal(await rewritten(app, job), lockAt(`${app.url}/simple`));
  });

  test('archives that a pylock.toml takes from a folder are mirrored where the index has them, and missed where not', async (t) => {
    const { app } = await world(t);
    const mine = makeWheel({ name: 'mine', version: '2.0' });
    // As pip and uv write it, and as the standard has it too.
    for (const place of [
      (name: string) => `url = "file:///wheels/${name}"`,
      (name: string) => `path = "wheels/${name}"`,
    ]) {
      const packages = [mine, B1].map(({ name, version, filename, sha256 }) => {
        const file = `{ name = "${filename}", ${place(filename)}, hashes = { sha256 = "${sha256}" } }`;
        return `[[packages]]\nname = "${name}"\nversion = "${version}"\nwheels = [${file}]\n`;
      });
      const call = { name: 'pylock.toml', content: `lock-version = "1.0"\ncreated-by = "pip"\n${packages.join('')}` };
      const job = await mirror(app, call);
      assert.equal(job.state, 'succeeded', JSON.stringify(job));
      assert.deepEqual(
        job.files
          .map(({ name, state }) => `${name} ${state === 'stored' || state === 'present' ? 'here' : state}`)
          .sort(),
        ['beta here', 'mine skipped'],
      );
      assert.match(JSON.stringify(job.result?.notes), /mine lies on the machine that made the lock/);
      assert.equal(await rewritten(app, job), call.content);
      assert.equal((await drill(app, call)).ready, true);
    }
  });

  test('hashes that no index lists stay the only ones', async (t) => {
    const { app } = await world(t);
    const content = `native==1.0 --hash=sha512:${createHash('sha512').update(NATIVE_SDIST.bytes).digest('hex')}\n`;
    const job = await mirror(app, lockOf(content));
    assert.equal(job.state, 'succeeded', JSON.stringify(job));
    assert.equal(await rewritten(app, job), content);
    assert.match(JSON.stringify(job.result?.notes), /native has no sha256/);
  });

  test('that there is no room is told', async (t) => {
    const { app } = await world(t, { config: { limits: { minFreeBytes: '4000TiB' } } });
    const job = await mirror(app, lockOf(pins(B1)));
    assert.match(job.error ?? '', /beta 1\.0 .* could not be had: There is no room left to store beta-1\.0/);
  });

  test('a pin without a local version is met by files that have one', async (t) => {
    const { up, app } = await world(t);
    const local = makeWheel({ name: 'local', version: '1.0+cpu' });
    up.project('local').add(local);
    up.project('local').add(makeWheel({ name: 'local', version: '1.0.1' }));
    const job = await mirror(app, lockOf('local==1.0\n'));
    assert.deepEqual(outcomes(job), [['stored', local.filename]]);
    assert.match(await rewritten(app, job), new RegExp(`^local==1\\.0 .*\n.*sha256:${local.sha256}\n$`));
    await up.refuse();
    assert.equal((await drill(app, lockOf('local==1.0\n'))).ready, true);
    assert.equal((await drill(app, lockOf('local==1.0+cu12\n'))).ready, false);
    const whole = makeWheel({ name: 'local', version: '1.0' });
    const both = await world(t);
    for (const file of [local, whole]) both.up.project('local').add(file);
    assert.deepEqual(outcomes(await mirror(both.app, lockOf('local==1.0\n'))), [['stored', whole.filename]]);
  });

  test('two spellings of a version both get its hashes', async (t) => {
    const { app } = await world(t);
    const job = await mirror(app, lockOf('beta==1.0 ; python_version < "3.9"\nbeta==1 ; python_version >= "3.9"\n'));
    assert.equal((await rewritten(app, job)).split(`--hash=sha256:${B1.sha256}`).length, 3);
  });

  test('targets limit what is fetched, and a drill answers for each', async (t) => {
    const { up, app } = await world(t);
    const [linux = B1, mac = B1] = NATIVE;
    const lock = { ...lockOf('native==1.0\n'), targets: ['cp311-manylinux_2_28_x86_64'] };
    const job = await mirror(app, lock);
    assert.deepEqual(outcomes(job), [['stored', linux.filename]]);
    const targets = ['cp311-manylinux_2_28_x86_64', 'cp311-macosx_14_0_arm64'];
    const proof = await drill(app, { ...lock, targets });
    assert.equal(proof.ready, false);
    assert.deepEqual(proof.targets, [
      { target: 'cp311-manylinux_2_28_x86_64', ready: true },
      { target: 'cp311-macosx_14_0_arm64', ready: false },
    ]);
    assert.deepEqual(
      proof.missing.map(({ filename, targets: where }) => [filename, where]),
      [[mac.filename, ['cp311-macosx_14_0_arm64']]],
    );
    const hashed = { ...lock, content: pins(linux), targets: ['cp312-manylinux_2_28_x86_64'] };
    assert.match(
      (await drill(app, hashed)).missing[0]?.why ?? '',
      /no file of the lock fits cp312-manylinux_2_28_x86_64/,
    );
    const marked = { ...hashed, content: hashed.content.replace(' \\', ' ; python_version < "3.12" \\') };
    assert.equal((await drill(app, marked)).ready, true, 'not needed there');
    const windows = { ...lockOf(pins(linux)), targets: ['cp311-win_amd64'] };
    assert.match((await drill(app, windows)).missing[0]?.why ?? '', /no file of the lock fits cp311-win_amd64/);
    const elsewhere = { ...windows, content: windows.content.replace(' \\', ' ; sys_platform != "win32" \\') };
    assert.equal((await drill(app, elsewhere)).ready, true, 'not needed there');
    const url = `https://files.example/${linux.filename}`;
    const content = `version = 1\n\n[[package]]\nname = "native"\nversion = "1.0"\nsource = { registry = "https://index.example/simple" }\nwheels = [{ url = "${url}", hash = "sha256:${linux.sha256}" }]\n`;
    const silent = { name: 'uv.lock', content, targets: windows.targets };
    assert.equal((await drill(app, silent)).ready, true, 'a uv.lock does not tell where');
    assert.equal(up.requests(`/files/${mac.filename}`), 0);
  });

  test('what cannot be had fails the job after all else was tried, and the answer names it', async (t) => {
    const { up, app } = await world(t);
    up.order(`/files/${B1.filename}`, { corrupt: true });
    const call = lockOf(`${pins(B1)}absent==3\nalpha==9\n${pins(A1).replace('1.0', '1.0 ')}`);
    const job = await mirror(app, call);
    assert.equal(job.state, 'failed');
    assert.match(job.error ?? '', /could not be had: .* 2 more, each listed with its reason\. Mirror the lock again/);
    const byName = new Map(job.files.map((file) => [`${file.name} ${file.version}`, file]));
    assert.equal(byName.get('alpha 1.0')?.state, 'stored');
    assert.equal(byName.get('beta 1.0')?.state, 'failed');
    assert.match(byName.get('beta 1.0')?.why ?? '', /other bytes|not what it promised|does not/i);
    assert.match(byName.get('absent 3')?.why ?? '', /no repository of the index has the project/);
    assert.match(byName.get('alpha 9')?.why ?? '', /lists no file of version 9/);
    const lock = await app.admin(`/admin/jobs/${job.id}/lock`);
    assert.equal(lock.status, 409);
    assert.match(((await lock.json()) as { detail: string }).detail, /is failed, so its lock is not outage-proof/);
    up.order(`/files/${B1.filename}`);
    assert.equal((await mirror(app, lockOf(pins(A1, B1)))).state, 'succeeded', 'nothing wrong was kept');
  });

  test('a hash that no file of the project has is missing, also where a file of that version is stored', async (t) => {
    const { app } = await world(t);
    await mirror(app, lockOf(pins(A1)));
    const wrong = lockOf(pins(A1).replace(A1.sha256, B1.sha256));
    const job = await mirror(app, wrong);
    assert.equal(job.state, 'failed');
    assert.match(job.files[0]?.why ?? '', /no file of the project has the sha256/);
    assert.equal((await drill(app, wrong)).ready, false);
  });

  test('a lock that is newer than the kept page', async (t) => {
    const { up, app } = await world(t);
    assert.equal((await app.get('/simple/beta/')).status, 200);
    const fresh = makeWheel({ name: 'beta', version: '3.0' });
    up.project('beta').add(fresh);
    const job = await mirror(app, lockOf(pins(fresh)));
    assert.equal(job.state, 'succeeded', JSON.stringify(job));
  });

  test('from an upstream without hashes on its pages, bytes are compared with the lock', async (t) => {
    const { up, app } = await world(t);
    up.project('bare').add(makeWheel({ name: 'bare', version: '1.0' }), { hashes: false });
    const bare = makeWheel({ name: 'bare', version: '1.0' });
    const uvLock = (sha256: string) => ({
      name: 'uv.lock',
      content: `version = 1\n\n[[package]]\nname = "bare"\nversion = "1.0"\nsource = { registry = "https://index.example/simple" }\nwheels = [\n    { url = "https://files.example/${bare.filename}", hash = "sha256:${sha256}" },\n]\n`,
    });
    const wrong = await mirror(app, uvLock(A1.sha256));
    assert.equal(wrong.state, 'failed');
    assert.match(wrong.error ?? '', /which the lock does not have/);
    const job = await mirror(app, uvLock(bare.sha256));
    assert.equal(job.state, 'succeeded', JSON.stringify(job));
    assert.match(await rewritten(app, job), new RegExp(`url = "${app.url}/simple/bare/bare-1.0-py3-none-any.whl"`));
  });

  test('an upstream that is down: what is known is proved, the rest is said to be unreachable', async (t) => {
    const { up, app } = await world(t);
    await mirror(app, lockOf(pins(A1)));
    await up.refuse();
    const job = await mirror(app, lockOf(pins(A1, B1)));
    assert.equal(job.state, 'failed');
    assert.deepEqual(
      job.files.map(({ state, name }) => [state, name]),
      [
        ['present', 'alpha'],
        ['failed', 'beta'],
      ],
    );
    assert.equal((await mirror(app, lockOf(pins(A1)))).state, 'succeeded');
  });

  test('uploaded and private projects need no upstream; quarantined ones are missing', async (t) => {
    const { up, app } = await world(t, {
      config: {
        indexes: { main: { repositories: ['local', 'pypi'], private: ['acme-*'] } },
      },
    });
    const own = makeWheel({ name: 'acme-lib', version: '1.0' });
    const form = new FormData();
    for (const [name, value] of Object.entries({
      ':action': 'file_upload',
      protocol_version: '1',
      name: 'acme-lib',
      version: '1.0',
      filetype: 'bdist_wheel',
      pyversion: 'py3',
      metadata_version: '2.2',
      sha256_digest: own.sha256,
    }))
      form.set(name, value);
    form.set('content', new Blob([new Uint8Array(own.bytes)]), own.filename);
    const uploaded = await app.admin('/legacy/', { method: 'POST', body: form });
    assert.equal(uploaded.status, 200, await uploaded.text());
    const lock = lockOf(`${pins(own)}acme-gone==1\n`);
    const proof = await drill(app, lock);
    assert.deepEqual(
      proof.missing.map(({ name, why }) => [name, why]),
      [['acme-gone', 'the name is private, and nothing was uploaded under it']],
    );
    assert.equal((await drill(app, lockOf(pins(own)))).ready, true);
    assert.equal(up.requests('/simple/acme-*'), 0);
    await mirror(app, lockOf(pins(A1)));
    const status = await app.admin('/admin/repositories/pypi/projects/alpha', {
      method: 'PATCH',
      body: JSON.stringify({ status: 'quarantined' }),
    });
    assert.equal(status.status, 200, await status.text());
    const [missing] = (await drill(app, lockOf(pins(A1)))).missing;
    assert.equal(missing?.why, 'the project is quarantined');
    assert.match((await mirror(app, lockOf(pins(A1)))).error ?? '', /quarantined/);
  });
});

describe('the other formats', () => {
  const wheel = `{file = "${A1.filename}", hash = "sha256:${A1.sha256}"}`;
  const texts: Readonly<Record<string, string>> = {
    'pylock.toml': `lock-version = "1.0"\ncreated-by = "x"\n\n[[packages]]\nname = "alpha"\nversion = "1.0"\nindex = "https://index.example/simple"\nwheels = [{ name = "${A1.filename}", url = "https://files.example/${A1.filename}", hashes = { sha256 = "${A1.sha256}" } }]\n`,
    'poetry.lock': `[[package]]\nname = "alpha"\nversion = "1.0"\nfiles = [\n    ${wheel},\n]\n\n[metadata]\nlock-version = "2.1"\n`,
    'pdm.lock': `[metadata]\nlock_version = "4.5.0"\n\n[[package]]\nname = "alpha"\nversion = "1.0"\nfiles = [\n    ${wheel},\n]\n`,
    'Pipfile.lock': `${JSON.stringify({ _meta: { 'pipfile-spec': 6, sources: [{ name: 'pypi', url: 'https://index.example/simple', verify_ssl: true }] }, default: { alpha: { hashes: [`sha256:${A1.sha256}`], index: 'pypi', version: '==1.0' } }, develop: {} }, null, 4)}\n`,
  };
  for (const [name, content] of Object.entries(texts)) {
    test(name, async (t) => {
      const { up, app } = await world(t);
      const job = await mirror(app, { name, content });
      assert.deepEqual(outcomes(job), [['stored', A1.filename]]);
      await up.refuse();
      assert.equal((await drill(app, { name, content })).ready, true);
      const lock = await rewritten(app, job);
      assert.doesNotMatch(lock, /\.example/);
      const back = await app.admin(`/admin/jobs/${job.id}/lock?urls=canonical`);
      assert.equal(back.headers.get('content-disposition'), `attachment; filename="${name}"`);
      assert.equal(await back.text(), content, 'nothing of ours was in it');
      const ours = await mirror(app, { name, content: lock });
      assert.equal(ours.state, 'succeeded');
      const canonical = await rewritten(app, ours, '?urls=canonical');
      assert.ok(!canonical.includes(app.url), canonical);
      if (name === 'pylock.toml') assert.ok(canonical.includes(`${up.filesUrl}${A1.filename}`), canonical);
    });
  }
});
