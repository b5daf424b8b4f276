import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { runClient, skipWithout } from '../support/clients.ts';
import { FakeIssuer } from '../support/fake-issuer.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { tlsFront } from '../support/tls-front.ts';
import { makeSdist, makeWheel } from '../support/wheel.ts';

const CLAIMS = { sub: 'repo:acme/lib:environment:release', repository: 'acme/lib', environment: 'release' };

interface Publishing {
  readonly app: TestApp;
  /** The same server behind TLS: tools exchange identities over https alone. */
  readonly url: string;
  readonly issuer: FakeIssuer;
  /** A folder with a wheel and an sdist of `acme-lib` in `dist`. */
  readonly cwd: string;
  /** What tells a tool to trust the server. */
  readonly env: Readonly<Record<string, string>>;
  job(over?: Record<string, unknown>): Readonly<Record<string, string>>;
  /** An identity token as GitLab puts it into a job's environment. */
  identity(): Promise<string>;
}

/** A server that trusts an issuer to publish `acme-lib`, where nobody may do anything without a token. */
async function publishing(t: TestContext): Promise<Publishing> {
  const issuer = await FakeIssuer.start(t);
  const grants = [
    { claims: { repository: 'acme/lib', environment: 'release' }, can: ['upload'], projects: ['acme-lib'] },
  ];
  const config = { access: { anonymous: [] }, oidc: { issuers: [{ issuer: issuer.url, grants }] } };
  const app = await testApp(t, { config });
  const { url, authority } = await tlsFront(t, app.url);
  const cwd = await tempDir(t);
  const ca = join(cwd, 'authority.pem');
  await writeFile(ca, authority);
  await mkdir(join(cwd, 'dist'));
  for (const make of [makeWheel, makeSdist]) {
    const file = make({ name: 'acme_lib', version: '1.0' });
    await writeFile(join(cwd, 'dist', file.filename), file.bytes);
  }
  await writeFile(join(cwd, 'pyproject.toml'), '[project]\nname = "acme-lib"\nversion = "1.0"\n');
  const now = Math.floor(Date.now() / 1000);
  let ids = 0;
  const claims = (over: Record<string, unknown> = {}) => {
    ids += 1;
    return { ...CLAIMS, iat: now - 5, exp: now + 300, jti: `run-${ids}`, ...over };
  };
  return {
    app,
    url,
    issuer,
    cwd,
    env: { SSL_CERT_FILE: ca, REQUESTS_CA_BUNDLE: ca },
    job: (over) => issuer.actionsJob(claims(over)),
    identity: () => issuer.sign(claims({ aud: 'stormcellar' })),
  };
}

async function published(app: TestApp): Promise<readonly string[]> {
  const headers = { accept: 'application/vnd.pypi.simple.v1+json' };
  const response = await app.admin('/simple/acme-lib/', { headers });
  if (response.status === 404) return [];
  return ((await response.json()) as { files: { filename: string }[] }).files.map(({ filename }) => filename);
}

async function trail(app: TestApp): Promise<readonly { kind: string; by: string }[]> {
  const { events } = (await (await app.admin('/admin/events?after=0')).json()) as {
    events: { kind: string; by: string }[];
  };
  return events.map(({ kind, by }) => ({ kind, by }));
}

const BY = `oidc:${CLAIMS.sub}`;
const BOTH = ['acme_lib-1.0-py3-none-any.whl', 'acme_lib-1.0.tar.gz'];
const UV = ['publish', '--trusted-publishing', 'always', '--publish-url'];

describe('uv publishes without a stored secret', { skip: skipWithout('uv') }, () => {
  it('in GitHub Actions, and ends its token when it is done', async (t) => {
    const { app, url, cwd, env, job } = await publishing(t);
    const { status, output } = await runClient('uv', [...UV, `${url}/legacy/`], { cwd, env: { ...env, ...job() } });
    assert.equal(status, 0, output);
    assert.deepEqual(await published(app), BOTH);
    const kinds = await trail(app);
    assert.deepEqual(kinds[0], { kind: 'publisher-token-created', by: BY });
    assert.deepEqual(kinds.at(-1), { kind: 'token-revoked', by: BY });
    const secret = /::add-mask::(sc_\w+)/.exec(output)?.[1];
    assert.ok(secret, output);
    const again = await app.get('/simple/', { headers: { authorization: `Bearer ${secret}` } });
    assert.equal(again.status, 401);
  });

  it('in GitLab, with the token of the job', async (t) => {
    const { app, url, cwd, env, identity } = await publishing(t);
    const gitlab = { CI: 'true', GITLAB_CI: 'true', STORMCELLAR_ID_TOKEN: await identity() };
    const { status, output } = await runClient('uv', [...UV, `${url}/legacy/`], { cwd, env: { ...env, ...gitlab } });
    assert.equal(status, 0, output);
    assert.deepEqual(await published(app), BOTH);
  });

  it('not from another branch, and shows why', async (t) => {
    const { app, url, cwd, env, job } = await publishing(t);
    const other = job({ environment: 'test' });
    const { status, output } = await runClient('uv', [...UV, `${url}/legacy/`], { cwd, env: { ...env, ...other } });
    assert.notEqual(status, 0);
    assert.match(output, /no trusted publisher has its claims/);
    assert.deepEqual(await published(app), []);
  });
});

describe('pdm publishes without a stored secret', { skip: skipWithout('pdm') }, () => {
  it('in GitHub Actions', async (t) => {
    const { app, url, cwd, env, job } = await publishing(t);
    const args = ['publish', '--no-build', '-r', `${url}/legacy/`, '--ca-certs', String(env.SSL_CERT_FILE)];
    const { status, output } = await runClient('pdm', args, { cwd, env: { ...env, ...job() } });
    assert.equal(status, 0, output);
    assert.deepEqual(await published(app), BOTH);
    assert.deepEqual((await trail(app))[0], { kind: 'publisher-token-created', by: BY });
  });
});

describe('twine publishes without a stored secret', { skip: skipWithout('twine') }, () => {
  it('with a token that was exchanged for it, as the public action does', async (t) => {
    const { app, url, cwd, env, identity } = await publishing(t);
    const { token: identified } = await exchanged(app, await identity());
    const args = ['upload', '--non-interactive', '--disable-progress-bar', '--repository-url', `${url}/legacy/`];
    const credentials = { ...env, TWINE_USERNAME: '__token__', TWINE_PASSWORD: identified };
    const { status, output } = await runClient('twine', [...args, 'dist/*'], { cwd, env: credentials });
    assert.equal(status, 0, output);
    assert.deepEqual(await published(app), BOTH);
  });
});

async function exchanged(app: TestApp, identity: string): Promise<{ token: string }> {
  const answer = await app.get('/_/oidc/mint-token', { method: 'POST', body: JSON.stringify({ token: identity }) });
  assert.equal(answer.status, 200);
  return (await answer.json()) as { token: string };
}
