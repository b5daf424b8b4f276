import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { skipWithout } from '../support/clients.ts';
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts';
import { type Installed, type InstallOptions, pipInstall, uvInstall } from '../support/installers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { makeSdist, makeWheel } from '../support/wheel.ts';

const dep = makeWheel({ name: 'demo-dep', version: '1.5', padding: 200_000 });
const demo = { name: 'Demo_Pkg', requiresDist: ['demo-dep>=1'] };
const old = makeWheel({ ...demo, version: '1.0' });
const good = makeWheel({ ...demo, version: '1.1', requiresPython: '>=3.8' });
const source = makeSdist({ ...demo, version: '1.1', requiresPython: '>=3.8' });
const yanked = makeWheel({ ...demo, version: '2.0' });
const picky = makeWheel({ name: 'picky', version: '1.0' });
const tooPicky = makeWheel({ name: 'picky', version: '2.0', requiresPython: '>=3.99' });
const local = makeWheel({ name: 'demo-loc', version: '1!2.0+cpu.1' });
const bare = makeWheel({ name: 'bare', version: '1.0', requiresDist: ['demo-dep'], padding: 200_000 });

const REASON = 'breaks "everything" <b>&';

function fill(up: FakeUpstream): void {
  up.project('demo-dep').add(dep);
  up.project('demo-pkg')
    .add(old, { uploadTime: '2023-01-01T00:00:00Z' })
    .add(good, { uploadTime: '2024-01-01T00:00:00Z' })
    .add(source, { uploadTime: '2024-01-01T00:00:00Z' })
    .add(yanked, { uploadTime: '2025-01-01T00:00:00Z', yanked: REASON });
  up.project('picky').add(picky).add(tooPicky);
  up.project('demo-loc').add(local);
  up.project('bare').add(bare, { coreMetadata: 'none' });
}

interface Installer {
  readonly name: 'pip' | 'uv';
  readonly install: (options: InstallOptions) => Promise<Installed>;
  /** Reads the end of a wheel instead of the whole, where the index has no metadata of it. */
  readonly lazily: readonly string[];
}

const INSTALLERS: readonly Installer[] = [
  { name: 'pip', install: pipInstall, lazily: ['--use-feature=fast-deps'] },
  { name: 'uv', install: uvInstall, lazily: [] },
];

async function expectInstalled(running: Promise<Installed>, versions: Record<string, string>): Promise<Installed> {
  const installed = await running;
  assert.equal(installed.status, 0, installed.output);
  assert.deepEqual(installed.versions, versions, installed.output);
  return installed;
}

function requests(app: TestApp): string[] {
  return app.logged
    .filter((line) => line.msg === 'request')
    .map((line) => `${line.method} ${line.path} ${line.status}`);
}

for (const { name, install, lazily } of INSTALLERS) {
  for (const formats of ['json', 'html'] as const) {
    describe(`${name} in front of an upstream that speaks ${formats}`, { skip: skipWithout(name, 'python') }, () => {
      it('installs what it should, by name, pin, hash, source and lazily', async (t) => {
        const up = await fakeUpstream(t, { formats, files: 'other' });
        fill(up);
        const app = await testApp(t, { upstream: up.url });
        const index = `${app.url}/simple/`;
        const dir = await tempDir(t);
        const hashes = join(dir, 'requirements.txt');
        const lines = [`demo-pkg==1.1 --hash=sha256:${good.sha256}`, `demo-dep==1.5 --hash=sha256:${dep.sha256}`];
        await writeFile(hashes, `${lines.join('\n')}\n`);

        const both = { demo_pkg: '1.1', demo_dep: '1.5' };
        await Promise.all([
          expectInstalled(install({ index, args: ['demo-pkg'] }), both),
          expectInstalled(install({ index, args: ['--require-hashes', '-r', hashes] }), both),
        ]);
        const pinned = expectInstalled(install({ index, args: ['demo.pkg==2.0'] }), { ...both, demo_pkg: '2.0' });
        await Promise.all([
          pinned.then(({ output }) => assert.ok(output.includes(REASON), output)),
          expectInstalled(install({ index, args: ['picky', 'demo-loc'] }), { picky: '1.0', demo_loc: '1!2.0+cpu.1' }),
        ]);
        await Promise.all([
          expectInstalled(install({ index, args: ['--no-binary', 'demo-pkg', 'demo-pkg'] }), both),
          expectInstalled(install({ index, args: [...lazily, 'bare'] }), { bare: '1.0', demo_dep: '1.5' }),
        ]);

        const wrong = join(dir, 'wrong.txt');
        await writeFile(wrong, `demo-dep==1.5 --hash=sha256:${good.sha256}\n`);
        assert.notEqual((await install({ index, args: ['--require-hashes', '-r', wrong] })).status, 0);

        const seen = requests(app);
        assert.deepEqual(
          seen.filter((line) => !/ (?:200|206|304)$/.test(line)),
          [],
          'nothing was refused',
        );
        const part = `GET /simple/bare/${bare.filename} 206`;
        assert.ok(seen.includes(part), 'only the end was read to learn what it needs');
        for (const file of [dep, good, source, yanked, picky, local, bare])
          assert.equal(up.requests(`/files/${encodeURIComponent(file.filename)}`), 1, `${file.filename}: one fetch`);
      });
    });
  }
}
