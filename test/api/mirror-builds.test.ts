import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { lockOf, mirrorWorld as world } from '../support/mirror-world.ts';
import { drill, mirror } from '../support/mirroring.ts';
import { tarOf } from '../support/tar.ts';
import { type BuiltFile, makeSdist, makeWheel, sha256Of } from '../support/wheel.ts';

function sdistNeeding(name: string, requirement: string): BuiltFile {
  const metadata = Buffer.from(`Metadata-Version: 2.2\nName: ${name}\nVersion: 1.0\n`);
  const pyproject = `[build-system]\nrequires = [${JSON.stringify(requirement)}]\nbuild-backend = "builder"\n`;
  const top = `${name}-1.0`;
  const parts = [
    { name: `${top}/PKG-INFO`, data: metadata },
    { name: `${top}/pyproject.toml`, data: pyproject },
  ];
  const bytes = gzipSync(tarOf(parts));
  return { filename: `${top}.tar.gz`, bytes, sha256: sha256Of(bytes), metadata, name, version: '1.0' };
}

describe('what is built', () => {
  const builder = makeWheel({
    name: 'builder',
    version: '2.0',
    requiresDist: ['helper[fast]>=1; python_version >= "3"', 'never; extra == "docs"'],
  });
  const old = makeWheel({ name: 'builder', version: '1.0' });
  const pre = makeWheel({ name: 'builder', version: '3.0rc1' });
  const helper = makeWheel({ name: 'helper', version: '1.5', requiresDist: ['speed; extra == "fast"'] });
  const speed = makeWheel({ name: 'speed', version: '0.1' });
  const source = makeSdist({ name: 'onlysource', version: '1.0' });

  async function withBuilder(t: Parameters<typeof world>[0]) {
    const { up, app } = await world(t);
    for (const file of [old, builder, pre]) up.project('builder').add(file);
    up.project('helper').add(helper);
    up.project('speed').add(speed);
    const sdist = sdistNeeding('needy', 'builder>=1');
    up.project('needy')
      .add(sdist)
      .add(makeWheel({ name: 'needy', version: '1.0' }));
    up.project('onlysource').add(source);
    return { up, app };
  }

  test('an sdist without a wheel brings what it needs to be built, and what that needs', async (t) => {
    const { up, app } = await withBuilder(t);
    const call = { ...lockOf('needy==1.0\n'), sdists: true };
    const job = await mirror(app, call);
    assert.equal(job.state, 'succeeded', JSON.stringify(job, null, 1));
    const built = job.files.filter(({ by }) => by !== undefined).map(({ name, version }) => `${name} ${version}`);
    assert.deepEqual(built.sort(), ['builder 2.0', 'helper 1.5', 'speed 0.1']);
    await up.refuse();
    assert.equal((await drill(app, call)).ready, true);
    assert.equal((await drill(app, { ...call, sdists: false })).ready, true);
  });

  test('a drill says what a build lacks', async (t) => {
    const { up, app } = await withBuilder(t);
    assert.equal(
      (await mirror(app, lockOf('needy==1.0\n'))).files.some(({ by }) => by !== undefined),
      false,
    );
    await up.refuse();
    const proof = await drill(app, { ...lockOf('needy==1.0\n'), sdists: true });
    assert.deepEqual(
      proof.missing.map(({ name, why }) => [name, why]),
      [['builder', 'needy-1.0.tar.gz needs it to be built, and no repository of the index has the project']],
    );
  });

  test('setuptools brings wheel, which older versions of it and of pip need, when there is one', async (t) => {
    const { up, app } = await world(t);
    up.project('old').add(sdistNeeding('old', 'setuptools'));
    up.project('setuptools').add(makeWheel({ name: 'setuptools', version: '80.0' }));
    const without = await mirror(app, lockOf('old==1.0\n'));
    assert.equal(without.state, 'succeeded', JSON.stringify(without));
    const skipped = without.files.find(({ state }) => state === 'skipped');
    assert.deepEqual(
      [skipped?.name, skipped?.why],
      ['wheel', 'old-1.0.tar.gz may need it to be built, and no repository of the index has the project'],
    );
    const told = (await drill(app, lockOf('old==1.0\n'))).notes.map(({ detail }) => detail);
    assert.match(told.join(), /older versions of pip or setuptools need wheel to build it/);
    up.project('wheel').add(makeWheel({ name: 'wheel', version: '0.48', requiresDist: ['packaging'] }));
    up.project('packaging').add(makeWheel({ name: 'packaging', version: '26.0' }));
    await app.admin('/admin/projects/wheel/refresh', { method: 'POST' });
    const job = await mirror(app, lockOf('old==1.0\n'));
    assert.deepEqual(job.files.map(({ name, state }) => `${name} ${state}`).sort(), [
      'old present',
      'packaging stored',
      'setuptools present',
      'wheel stored',
    ]);
    await up.refuse();
    const { ready, present, notes } = await drill(app, lockOf('old==1.0\n'));
    assert.deepEqual([ready, present, notes], [true, 4, []]);
  });

  test('a build requirement that nobody has fails the job', async (t) => {
    const { up, app } = await withBuilder(t);
    up.project('helper').remove(helper.filename);
    const job = await mirror(app, { ...lockOf('needy==1.0\n'), sdists: true });
    assert.equal(job.state, 'failed');
    assert.match(
      job.error ?? '',
      /helper could not be had: builder-2\.0 needs it to be built, and there is no release/,
    );
  });
});
