import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { skipWithout } from '../support/clients.ts';
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts';
import { pipInstall, uvInstall } from '../support/installers.ts';
import { startSharedEngines } from '../support/many-nodes.ts';
import { startNginx, whyNoNginx } from '../support/nginx.ts';
import { skipOrFail } from '../support/skip.ts';
import { spoolsOf } from '../support/spools.ts';
import type { TestServer } from '../support/test-server.ts';
import { type BuiltFile, makeWheel } from '../support/wheel.ts';

const engines = await startSharedEngines();
after(() => engines.stop());
const skip = engines.skip || skipOrFail(whyNoNginx()) || skipWithout('pip', 'uv');

describe('two nodes behind nginx, under a path prefix', { skip }, () => {
  it('one of which is killed while installs are in the middle of its files: none of them fails', async (t) => {
    const up = await fakeUpstream(t);
    const cellar = await engines.cellar(t);
    const nodes = [await cellar.program({ upstream: up.url }), await cellar.program({ upstream: up.url })];
    const url = await startNginx(t, { nodes: nodes.map((node) => node.url), prefix: '/cellar' });
    for (const round of [0, 1]) {
      const rest = Promise.withResolvers<void>();
      const installs = [pipInstall, uvInstall].map(async (install, client) => {
        const [needed, root] = pairOf(up, `r${round}c${client}`);
        up.order(`/files/${needed.filename}`, { holdAfter: { bytes: 150_000, until: rest.promise } });
        const installed = install({ index: `${url}/simple/`, args: [root.name] });
        await up.waitFor(`/files/${needed.filename}`);
        return { installed, names: [needed.name, root.name] };
      });
      const under = await Promise.all(installs);
      const victim = await busyOne(nodes);
      await victim.stop('SIGKILL');
      rest.resolve();
      for (const { installed, names } of under) {
        const { status, output, versions } = await installed;
        assert.equal(status, 0, output);
        assert.deepEqual(versions, Object.fromEntries(names.map((name) => [name, '1.0'])));
      }
      await victim.start();
    }
  });
});

/** A wheel that takes a while, and one that needs it. */
function pairOf(up: FakeUpstream, tag: string): readonly [BuiltFile, BuiltFile] {
  const needed = makeWheel({ name: `needed_${tag}`, version: '1.0', padding: 600_000 });
  const root = makeWheel({ name: `root_${tag}`, version: '1.0', requiresDist: [needed.name] });
  for (const file of [needed, root]) up.project(file.name.replaceAll('_', '-')).add(file);
  return [needed, root];
}

/** A node that has a file on its way. */
async function busyOne(nodes: readonly TestServer[]): Promise<TestServer> {
  for (;;) {
    for (const node of nodes) if ((await spoolsOf(node)).length > 0) return node;
    await new Promise(setImmediate);
  }
}
