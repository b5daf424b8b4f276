import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { TarWalker } from '../../server/tar-walker.ts';
import { fakeGit, skipWithoutGit } from '../support/fake-git.ts';
import { type Order, signInPage } from '../support/fake-orders.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { gitProject } from '../support/git-project.ts';
import { drill, finished, mirror, post, rewritten } from '../support/mirroring.ts';
import { testApp } from '../support/test-app.ts';
import { makeSdist, makeWheel } from '../support/wheel.ts';

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

  test('a branch is resolved anew by each mirroring, and what earlier locks point to stays', async (t) => {
    const git = await fakeGit(t);
    const first = await git.commit('demo', gitProject('demo', '1.0'));
    const app = await testApp(t, { config: { fetch: { allowHosts: [git.host] } } });
    const call = { name: 'requirements.txt', content: `demo @ git+${git.url('demo')}@main ; python_version > "3"\n` };
    const one = await mirror(app, call);
    assert.equal(one.files[0]?.commit, first);
    const second = await git.commit('demo', gitProject('demo', '2.0'));
    const two = await mirror(app, call);
    assert.equal(two.files[0]?.commit, second);
    assert.match(
      await rewritten(app, one),
      new RegExp(`demo-${first}\\.tar\\.gz#sha256=[0-9a-f]{64} ; python_version > "3"\n$`),
    );
    assert.match(await rewritten(app, two), new RegExp(`demo-${second}`));
    assert.equal((await app.get(`/sources/demo/demo-${first}.tar.gz`)).status, 200);
    await git.refuse();
    const offline = await mirror(app, call);
    assert.equal(offline.state, 'succeeded', JSON.stringify(offline));
    assert.match(offline.files[0]?.notes?.join() ?? '', /What it led to last is kept/);
  });

  test('go back to the ref that the lock has, whoever asked for another of the same commit', async (t) => {
    const git = await fakeGit(t);
    const commit = await git.commit(
      'demo',
      { ...gitProject('demo', '1.0'), ...gitProject('demo', '1.0', 'sub/') },
      { tag: 'v1' },
    );
    const app = await testApp(t, { config: { fetch: { allowHosts: [git.host] } } });
    const content = `lock-version = "1.0"\ncreated-by = "x"\n\n[[packages]]\nname = "demo"\nvcs = { type = "git", url = "${git.url('demo')}", requested-revision = "v1", commit-id = "${commit}" }\n`;
    const job = await mirror(app, { name: 'pylock.toml', content });
    const other = await mirror(app, {
      name: 'a.txt',
      content: `demo @ git+${git.url('demo')}@main#subdirectory=sub\n`,
    });
    assert.equal(other.state, 'succeeded', JSON.stringify(other));
    assert.match(await rewritten(app, job), new RegExp(`demo-${commit}\\.tar\\.gz", (?!.*subdirectory)`));
    assert.equal(await rewritten(app, job, '?urls=canonical'), content);
  });

  test('several that lead to one archive all point to it', async (t) => {
    const git = await fakeGit(t);
    const commit = await git.commit('demo', gitProject('demo', '1.0'), { tag: 'v1' });
    const app = await testApp(t, { config: { fetch: { allowHosts: [git.host] } } });
    const at = `git+${git.url('demo')}`;
    const lines = [
      `demo @ ${at}@v1 ; python_version < "3.10"`,
      `demo[more] @ ${at}@v1 ; python_version >= "3.10"`,
      `demo[other] @ ${at}@main`,
    ];
    const job = await mirror(app, { name: 'a.txt', content: `${lines.join('\n')}\n` });
    assert.equal(job.state, 'succeeded', JSON.stringify(job));
    const here = `${app.url}/sources/demo/demo-${commit}.tar.gz#sha256=${job.files[0]?.sha256}`;
    assert.deepEqual(
      (await rewritten(app, job)).trimEnd().split('\n'),
      lines.map((line) => line.replace(/git\S+/, here)),
    );
  });

  test('the same commit gives the same bytes on another server', async (t) => {
    const git = await fakeGit(t);
    const commit = await git.commit('demo', gitProject('demo', '1.0'));
    const digests = [];
    for (let i = 0; i < 2; i += 1) {
      const app = await testApp(t, { config: { fetch: { allowHosts: [git.host] } } });
      const job = await mirror(app, { name: 'a.txt', content: `git+${git.url('demo')}@${commit}#egg=demo\n` });
      assert.equal(job.state, 'succeeded', JSON.stringify(job));
      digests.push(job.files[0]?.sha256);
    }
    assert.equal(digests[0], digests[1]);
  });

  test('a folder of a repository, a short commit, a name that only the repository tells', async (t) => {
    const git = await fakeGit(t);
    const files = { ...gitProject('sub', '1.0', 'packages/sub/'), 'README.md': 'all\n' };
    const commit = await git.commit('mono', files);
    const app = await testApp(t, { config: { fetch: { allowHosts: [git.host] } } });
    const content = `git+${git.url('mono')}@${commit.slice(0, 10)}#subdirectory=packages/sub\n`;
    const job = await mirror(app, { name: 'a.txt', content });
    assert.equal(job.state, 'succeeded', JSON.stringify(job));
    const lock = await rewritten(app, job);
    assert.match(
      lock,
      /^sub @ \S+\/sources\/sub\/sub-[0-9a-f]{40}\.tar\.gz#sha256=[0-9a-f]{64}&subdirectory=packages\/sub\n$/,
    );
    const none = await mirror(app, { name: 'a.txt', content: content.replace('packages/sub', 'nowhere') });
    assert.match(none.error ?? '', /has no folder nowhere/);
  });

  test('a version that only version control knows goes into the archive', async (t) => {
    const git = await fakeGit(t);
    const pyproject =
      '[project]\nname = "scm"\ndynamic = ["version"]\n[build-system]\nrequires = ["setuptools-scm"]\n[tool.setuptools_scm]\n';
    const commit = await git.commit('scm', { 'pyproject.toml': pyproject }, { tag: 'v1.2.3' });
    const up = await fakeUpstream(t);
    up.project('setuptools-scm').add(makeWheel({ name: 'setuptools-scm', version: '9.0' }));
    const app = await testApp(t, { upstream: up.url, config: { fetch: { allowHosts: [git.host] } } });
    const job = await mirror(app, { name: 'a.txt', content: `scm @ git+${git.url('scm')}@v1.2.3\n` });
    assert.equal(job.state, 'succeeded', JSON.stringify(job));
    const file = job.files.find(({ name }) => name === 'scm');
    assert.equal(file?.filename, `scm-1.2.3-${commit}.tar.gz`);
    const bytes = Buffer.from(await (await app.get(`/sources/scm/${file?.filename}`)).arrayBuffer());
    assert.match(membersOf(bytes)[`scm-1.2.3-${commit}/PKG-INFO`] ?? '', /^Name: scm\nVersion: 1\.2\.3$/m);
    await git.commit('scm', { other: 'x' });
    const untold = await mirror(app, { name: 'a.txt', content: `scm @ git+${git.url('scm')}\n` });
    const note = untold.files.find(({ name }) => name === 'scm')?.notes?.join() ?? '';
    assert.match(note, /asks version control for its version/);
  });

  test('LFS pointers, submodules and links that lead out are told', async (t) => {
    const git = await fakeGit(t);
    const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:1234\nsize 12345\n';
    await git.commit('demo', {
      ...gitProject('demo', '1.0'),
      'data.bin': pointer,
      'out@': '../../etc/passwd',
      'abs@': '/etc/passwd',
    });
    const inner = await git.commit('inner', { a: 'b' });
    await git.git('demo', 'update-index', '--add', '--cacheinfo', `160000,${inner},vendor/inner`);
    await git.git('demo', 'commit', '--quiet', '-m', 'a submodule');
    const app = await testApp(t, { config: { fetch: { allowHosts: [git.host] } } });
    const call = { name: 'a.txt', content: `demo @ git+${git.url('demo')}\n` };
    const job = await mirror(app, call);
    assert.equal(job.state, 'succeeded', JSON.stringify(job));
    const notes = job.files[0]?.notes ?? [];
    assert.match(notes[0] ?? '', /Git LFS .*: data\.bin$/);
    assert.match(notes[1] ?? '', /submodules .*: vendor\/inner$/);
    assert.match(notes[2] ?? '', /links .*: abs, out$/);
    assert.ok((await drill(app, call)).notes.some(({ detail }) => detail.includes('Git LFS')));
  });

  test('what could be an option, a program or another protocol is refused', async (t) => {
    const git = await fakeGit(t);
    await git.commit('demo', gitProject('demo', '1.0'));
    const app = await testApp(t, { config: { fetch: { allowHosts: [git.host] } } });
    const commit = 'a'.repeat(40);
    const cases: readonly (readonly [requirement: string, why: RegExp])[] = [
      [`git+${git.url('demo')}@--upload-pack=touch`, /not the name of a branch/],
      [`git+${git.url('demo')}@-x`, /not the name of a branch/],
      [`git+${git.url('demo')}@main^{tree}`, /not the name of a branch/],
      [`git+${git.url('demo')}@nowhere`, /neither a branch nor a tag nowhere/],
      [`git+${git.url('demo')}@${commit}`, /no commit aaaa/],
      [`git+${git.url('absent')}@main`, /answers 404|is not there/],
      ['git+ssh://git@git.example/a/b.git@main', /not reached over http/],
      ['git+file:///etc@main', /not reached over http/],
      ['git+git://git.example/a@main', /not reached over http/],
      ['git+ext::sh@main', /line 1|not reached over http/],
      ['git+https://other.example/a.git@main', /not among fetch\.allowHosts/],
      [`git+http://user:secret@${git.host}/demo@main`, /credentials/],
      ['hg+https://hg.example/a@1', /hg repositories cannot be kept/],
      ['svn+https://svn.example/a@1', /svn repositories cannot be kept/],
    ];
    for (const [requirement, why] of cases) {
      const answer = await post(app, '/admin/mirror', { name: 'a.txt', content: `demo @ ${requirement}\n` });
      if (answer.status === 400) {
        assert.match(await answer.text(), why, requirement);
        continue;
      }
      const job = await finished(app, answer.headers.get('location') ?? '');
      assert.equal(job.state, 'failed', requirement);
      assert.match(job.error ?? '', why, requirement);
      assert.doesNotMatch(job.error ?? '', /\.\./, requirement);
      assert.doesNotMatch(JSON.stringify(job), /secret/);
    }
  });

  test('a redirect is followed to allowed hosts alone', async (t) => {
    const git = await fakeGit(t);
    const commit = await git.commit('demo', gitProject('demo', '1.0'));
    let location = git.url('demo');
    const front = await fakeGit(t);
    front.intercept((request, response) => {
      response.writeHead(301, { location: `${location}${(request.url ?? '').replace(/^\/old/, '')}` }).end();
      return true;
    });
    const content = `demo @ git+${front.url('old')}\n`;
    const open = await testApp(t, { config: { fetch: { allowHosts: [git.host, front.host] } } });
    const job = await mirror(open, { name: 'a.txt', content });
    assert.equal(job.files[0]?.commit, commit, JSON.stringify(job));
    const closed = await testApp(t, { config: { fetch: { allowHosts: [front.host] } } });
    assert.match((await mirror(closed, { name: 'a.txt', content })).error ?? '', /not among fetch\.allowHosts/);
    location = 'file:///etc/passwd#';
    assert.match((await mirror(closed, { name: 'a.txt', content })).error ?? '', /neither http nor https/);
  });

  test('too large, and too slow', async (t) => {
    const git = await fakeGit(t);
    const noise = randomBytes(300_000).toString('hex');
    await git.commit('large', { ...gitProject('large', '1.0'), noise });
    const fetch = { allowHosts: [git.host], maxBytes: '100KiB', timeout: '1s' };
    const app = await testApp(t, { config: { fetch } });
    const job = await mirror(app, { name: 'a.txt', content: `large @ git+${git.url('large')}\n` });
    assert.equal(job.state, 'failed', JSON.stringify(job));
    git.intercept((request, response) => {
      if (!request.url?.includes('git-upload-pack') || request.method !== 'POST') return false;
      response.writeHead(200, { 'content-type': 'application/x-git-upload-pack-result' }).flushHeaders();
      return true;
    });
    const slow = await mirror(app, { name: 'a.txt', content: `demo @ git+${git.url('large')}@main\n` });
    assert.match(slow.error ?? '', /no answer in time/);
  });
});

describe('archives at an address', () => {
  const wheel = makeWheel({ name: 'gamma', version: '1.0' });
  const sdist = makeSdist({ name: 'gamma', version: '2.0' });

  async function files(t: Parameters<typeof fakeUpstream>[0]) {
    const up = await fakeUpstream(t);
    up.project('gamma').add(wheel).add(sdist);
    const app = await testApp(t, { config: { fetch: { allowHosts: [new URL(up.url).host], maxBytes: '100KiB' } } });
    return { up, app };
  }

  test('are fetched once, kept by their hash, and installed from here', async (t) => {
    const { up, app } = await files(t);
    const content = `gamma @ ${up.filesUrl}${wheel.filename}\n`;
    const job = await mirror(app, { name: 'a.txt', content });
    assert.equal(job.state, 'succeeded', JSON.stringify(job));
    const lock = await rewritten(app, job);
    assert.equal(lock, `gamma @ ${app.url}/sources/gamma/${wheel.filename}#sha256=${wheel.sha256}\n`);
    const again = await mirror(app, { name: 'a.txt', content });
    assert.equal(again.files[0]?.state, 'present');
    assert.equal(up.requests(`/files/${wheel.filename}`), 1);
    const hashed = `gamma @ https://other.example/moved.whl \\\n    --hash=sha256:${wheel.sha256}\n`;
    const moved = await mirror(app, { name: 'a.txt', content: hashed });
    assert.equal(moved.state, 'succeeded', 'the bytes are here');
    // It has its hash already, so nothing but the address changes.
    const here = `gamma @ ${app.url}/sources/gamma/${wheel.filename} \\\n    --hash=sha256:${wheel.sha256}\n`;
    assert.equal(await rewritten(app, moved), here);
    const own = hashed.replace('https://other.example/moved.whl', `${up.filesUrl}${wheel.filename}`);
    const proper = await mirror(app, { name: 'a.txt', content: own });
    assert.equal(await rewritten(app, proper, '?urls=canonical'), own);
    const back = await mirror(app, { name: 'a.txt', content: await rewritten(app, proper) });
    assert.equal(await rewritten(app, back, '?urls=canonical'), own);
    const answer = await app.get(`/sources/gamma/${wheel.filename}`);
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), wheel.bytes);
    assert.equal(answer.headers.get('etag'), `"${wheel.sha256}"`);
    const range = await app.get(`/sources/gamma/${wheel.filename}`, { headers: { range: 'bytes=0-3' } });
    assert.equal(range.status, 206);
    const canonical = await rewritten(app, job, '?urls=canonical');
    assert.equal(canonical, `gamma @ ${up.filesUrl}${wheel.filename}#sha256=${wheel.sha256}\n`);
  });

  test('go back to the address that the lock has, whoever has another for the same bytes', async (t) => {
    const { up, app } = await files(t);
    up.order(`/files/b/${wheel.filename}`, { status: 200, body: wheel.bytes });
    const [one, two] = [up.filesUrl, `${up.filesUrl}b/`].map(
      (at) => `gamma @ ${at}${wheel.filename}#sha256=${wheel.sha256}\n`,
    );
    const job = await mirror(app, { name: 'a.txt', content: one ?? '' });
    const other = await mirror(app, { name: 'a.txt', content: two?.replace(/#.*/, '') ?? '' });
    assert.equal(await rewritten(app, job, '?urls=canonical'), one);
    assert.equal(await rewritten(app, other, '?urls=canonical'), two);
  });

  test('may have any of the hashes that the lock has', async (t) => {
    const { up, app } = await files(t);
    const wrong = '0'.repeat(64);
    const hashes = [wrong, wheel.sha256].map((sha256) => ` \\\n    --hash=sha256:${sha256}`).join('');
    const content = `gamma @ ${up.filesUrl}${wheel.filename}${hashes}\n`;
    const job = await mirror(app, { name: 'a.txt', content });
    assert.equal(job.state, 'succeeded', JSON.stringify(job));
    const lock = await rewritten(app, job);
    assert.equal(lock, `gamma @ ${app.url}/sources/gamma/${wheel.filename}${hashes}\n`);
    for (const each of [content, lock]) assert.equal((await drill(app, { name: 'a.txt', content: each })).ready, true);
    const other = content.replace(wheel.sha256, sdist.sha256);
    assert.match((await mirror(app, { name: 'a.txt', content: other })).error ?? '', /the lock wants 0000\w+ or /);
    const one = content.replace(hashes, ` --hash=sha256:${wrong}`);
    assert.equal((await drill(app, { name: 'a.txt', content: one })).ready, false);
  });

  test('without a name that says what they are get one', async (t) => {
    const { up, app } = await files(t);
    up.order('/files/main.tar.gz', { status: 200, body: sdist.bytes });
    up.order('/files/tarball', { status: 200, body: sdist.bytes });
    for (const name of ['main.tar.gz', 'tarball']) {
      const job = await mirror(app, { name: 'a.txt', content: `${up.filesUrl}${name}\n` });
      assert.equal(job.state, 'succeeded', JSON.stringify(job));
      const lock = await rewritten(app, job);
      const filename = `gamma-${sdist.sha256.slice(0, 12)}.tar.gz`;
      assert.equal(lock, `gamma @ ${app.url}/sources/gamma/${filename}#sha256=${sdist.sha256}\n`);
    }
  });

  test('that are not what the lock says, or no archives, are not kept', async (t) => {
    const { up, app } = await files(t);
    const at = `${up.filesUrl}${wheel.filename}`;
    const cases: readonly (readonly [content: string, order: Order, why: RegExp])[] = [
      [`gamma @ ${at}#sha256=${sdist.sha256}`, {}, /by now, and the lock wants/],
      [`gamma @ ${at}#md5=${'0'.repeat(32)}`, {}, /by now, and the lock wants/],
      [`other @ ${at}`, {}, /is a wheel of gamma, and the lock wants other/],
      [`gamma @ ${at}`, signInPage, /no archive/],
      [`gamma @ ${at}`, { status: 404 }, /is not there/],
      [`gamma @ ${at}`, { status: 500 }, /answers 500/],
      [`gamma @ ${at}`, { status: 200, body: Buffer.alloc(200_000, 'PK') }, /larger than/],
      [`gamma @ ${at}`, { gzip: true }, /encoding that was not asked for/],
      [`gamma @ ${at}`, { cutAfter: 20 }, /cannot be fetched/],
    ];
    for (const [content, order, why] of cases) {
      up.order(`/files/${wheel.filename}`, order);
      const job = await mirror(app, { name: 'a.txt', content: `${content}\n` });
      assert.equal(job.state, 'failed', content);
      assert.match(job.error ?? '', why);
    }
    assert.equal((await app.get(`/sources/gamma/${wheel.filename}`)).status, 404);
  });

  test('another file of the same name from elsewhere is kept beside it', async (t) => {
    const { up, app } = await files(t);
    const other = makeSdist({ name: 'gamma', version: '2.0', files: { more: 'x' } });
    up.order(`/files/b/${sdist.filename}`, { status: 200, body: other.bytes });
    const one = await mirror(app, { name: 'a.txt', content: `gamma @ ${up.filesUrl}${sdist.filename}\n` });
    const two = await mirror(app, { name: 'a.txt', content: `gamma @ ${up.filesUrl}b/${sdist.filename}\n` });
    assert.equal(one.files[0]?.filename, sdist.filename);
    assert.equal(two.files[0]?.filename, `${other.sha256.slice(0, 12)}-${sdist.filename}`, JSON.stringify(two));
  });
});
