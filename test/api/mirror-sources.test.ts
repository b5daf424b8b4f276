import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { TarWalker } from '../../server/tar-walker.ts';
import { fakeGit, skipWithoutGit } from '../support/fake-git.ts';
import { gitProject } from '../support/git-project.ts';
import { drill, mirror, rewritten } from '../support/mirroring.ts';
import { testApp } from '../support/test-app.ts';

const skip = await skipWithoutGit();

function membersOf(archive: Buffer): Record<string, string> {
  const members: Record<string, string> = {};
  const walker = new TarWalker(({ name, type, linkName, size }) => {
    const pieces: Buffer[] = [];
    members[name] = type === 'symlink' ? `-> ${linkName}` : '';
    return (piece) => {
      pieces.push(Buffer.from(piece));
      members[name] = Buffer.concat(pieces).toString();
      void size;
    };
  });
  walker.write(gunzipSync(archive));
  walker.end();
  return members;
}

describe('git requirements', { skip }, () => {
  test('are kept as an archive of their full commit, and the lock points to it', async (t) => {
    const git = await fakeGit(t);
    const commit = await git.commit(
      'demo',
      { ...gitProject('demo', '1.5'), 'run.sh*': 'true\n', 'link@': 'run.sh' },
      { tag: 'v1.5' },
    );
    const app = await testApp(t, { config: { fetch: { allowHosts: [git.host] } } });
    const call = { name: 'requirements.txt', content: `demo @ git+${git.url('demo')}@v1.5\n` };
    assert.equal((await drill(app, call)).ready, false);
    const job = await mirror(app, call);
    assert.equal(job.state, 'succeeded', JSON.stringify(job, null, 1));
    const [file] = job.files;
    assert.equal(file?.filename, `demo-${commit}.tar.gz`);
    assert.equal(file?.commit, commit);
    const lock = await rewritten(app, job);
    assert.equal(lock, `demo @ ${app.url}/sources/demo/demo-${commit}.tar.gz#sha256=${file?.sha256}\n`);
    await git.refuse();
    assert.equal((await drill(app, call)).ready, true);
    assert.equal((await drill(app, { ...call, content: lock })).ready, true);
    const answer = await app.get(`/sources/demo/demo-${commit}.tar.gz`);
    const bytes = Buffer.from(await answer.arrayBuffer());
    assert.equal(createHash('sha256').update(bytes).digest('hex'), file?.sha256);
    const members = membersOf(bytes);
    assert.equal(members[`demo-${commit}/link`], '-> run.sh');
    assert.deepEqual(
      Object.keys(members).sort(),
      ['backend.py', 'link', 'pyproject.toml', 'run.sh'].map((name) => `demo-${commit}/${name}`),
    );
    const again = await mirror(app, { ...call, content: lock });
    assert.equal(again.state, 'succeeded', JSON.stringify(again));
    assert.equal(await rewritten(app, again), lock);
    assert.equal(await rewritten(app, job, '?urls=canonical'), `demo @ git+${git.url('demo')}@${commit}\n`);
  });
});
