import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { newTokenSecret } from '../../server/access/token.ts';
import type { WantedToken } from '../../server/access/tokens.ts';
import type { Action } from '../../server/model/access.ts';
import { accessServer } from '../support/access-server.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { rawRequest } from '../support/raw-request.ts';
import { ROUTES, type RouteCase } from '../support/route-table.ts';
import { BOOTSTRAP_TOKEN, basic, bearer } from '../support/test-access.ts';
import { testApp } from '../support/test-app.ts';

/** Whose token what may do, besides what everybody may. Written out, so that it does not share a mistake with the code. */
const TOKENS: Readonly<Record<string, Omit<WantedToken, 'name'>>> = {
  reader: { can: ['read'] },
  uploader: { can: ['upload'] },
  bundler: { can: ['bundle'] },
  admin: { can: ['admin'] },
  'reader of this project': { can: ['read'], projects: ['Acme_*'] },
  'reader of another project': { can: ['read'], projects: ['other-*'] },
  'reader of another app': { can: ['read'], apps: ['other'] },
  'uploader of this project': { can: ['upload'], projects: ['acme-lib'] },
  'uploader of another project': { can: ['upload'], projects: ['acme'] },
  'bundler of this app': { can: ['bundle'], apps: ['shop'] },
  'bundler of another app': { can: ['bundle'], apps: ['sho'] },
  'admin of this project': { can: ['admin'], projects: ['acme-lib'], apps: [] },
  'admin of another project': { can: ['admin'], projects: ['other'], apps: [] },
};

const MAY: Readonly<Record<`${Action} ${'project' | 'app' | 'server'}`, readonly string[]>> = {
  'read project': [
    'reader',
    'admin',
    'bootstrap',
    'reader of this project',
    'reader of another app',
    'admin of this project',
  ],
  'read app': ['reader', 'admin', 'bootstrap', 'reader of this project', 'reader of another project'],
  'read server': ['reader', 'admin', 'bootstrap'],
  'upload project': ['uploader', 'admin', 'bootstrap', 'uploader of this project', 'admin of this project'],
  'upload app': [],
  'upload server': [],
  'bundle app': ['bundler', 'admin', 'bootstrap', 'bundler of this app'],
  'bundle project': [],
  'bundle server': [],
  'admin project': ['admin', 'bootstrap', 'admin of this project'],
  'admin app': ['admin', 'bootstrap'],
  'admin server': ['admin', 'bootstrap'],
};

const NOT_VALID = ['expired', 'revoked', 'never made', 'mistyped'];

interface Server {
  readonly url: string;
  readonly clock: FakeClock;
  readonly bootstrap: string;
}

/** Every kind of token, made through the API, by name. */
async function secrets({ url, clock, bootstrap }: Server): Promise<ReadonlyMap<string, string>> {
  const all = new Map<string, string>([['bootstrap', bootstrap]]);
  const admin = { Authorization: bearer(bootstrap), 'Content-Type': 'application/json' };
  const make = async (name: string, wanted: object): Promise<string> => {
    const body = JSON.stringify({ name, ...wanted });
    const response = await fetch(`${url}/admin/tokens`, { method: 'POST', headers: admin, body });
    assert.equal(response.status, 201, name);
    const { id, token } = (await response.json()) as { id: string; token: string };
    all.set(name, token);
    return id;
  };
  for (const [name, wanted] of Object.entries(TOKENS)) await make(name, wanted);
  await make('expired', { can: ['admin'], expiresAt: new Date(clock.nowMs() + 1).toISOString() });
  const revoked = await make('revoked', { can: ['admin'] });
  await fetch(`${url}/admin/tokens/${revoked}`, { method: 'DELETE', headers: admin });
  all.set('never made', newTokenSecret());
  all.set('mistyped', `${all.get('admin')?.slice(0, -1)}!`);
  await clock.advance(1);
  return all;
}

async function ask(url: string, route: RouteCase, authorization?: string): Promise<Response> {
  return await fetch(url + route.path, {
    method: route.method,
    headers: {
      ...(authorization === undefined ? {} : { Authorization: authorization }),
      ...(route.body === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    ...(route.body === undefined ? {} : { body: JSON.stringify(route.body) }),
    ...(route.form === undefined ? {} : { body: formOf(route.form) }),
    redirect: 'manual',
  });
}

function formOf(fields: Readonly<Record<string, string>>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append('content', new Blob(['no archive']), 'acme_lib-1.0.tar.gz');
  return form;
}

async function matrix(app: Server, routes: readonly RouteCase[], anonymous: readonly Action[]): Promise<void> {
  const all = await secrets(app);
  for (const route of routes) {
    const everybody = anonymous.includes(route.action);
    const expect = async (who: string, authorization: string | undefined, refusal: 'none' | 401 | 403) => {
      const response = await ask(app.url, route, authorization);
      await response.body?.cancel();
      const what = `${route.method} ${route.path} by ${who} with ${authorization?.split(' ', 1)[0]}`;
      if (refusal === 'none') assert.ok(![401, 403, 429].includes(response.status), `${what}: ${response.status}`);
      else assert.equal(response.status, refusal, what);
      assert.equal(response.headers.has('www-authenticate'), refusal === 401, what);
    };
    await expect('nobody', undefined, everybody ? 'none' : 401);
    for (const [who, secret] of all) {
      const may = everybody || MAY[`${route.action} ${route.on.kind}`].includes(who);
      const refusal = NOT_VALID.includes(who) ? 401 : may ? 'none' : 403;
      for (const authorization of [basic(secret), bearer(secret)]) await expect(who, authorization, refusal);
    }
  }
}

for (const [where, anonymous] of [
  ['everybody may read', ['read']],
  ['nobody may do anything without a token', []],
] as const) {
  describe(`every route, with every kind of token, where ${where}`, () => {
    it('answers whom it should, and nobody else', async (t) => {
      const clock = new FakeClock();
      const config = { access: { anonymous, failuresPerMinute: 1_000_000 } };
      const { url, token: bootstrap } = await testApp(t, { clock, config });
      await matrix({ url, clock, bootstrap }, ROUTES, anonymous);
    });
  });
}

describe('where anonymous may not read', () => {
  it('figures and the front page are for whoever may read anything', async (t) => {
    const clock = new FakeClock();
    const app = await testApp(t, { clock, config: { access: { anonymous: [] } } });
    for (const [who, secret] of await secrets({ url: app.url, clock, bootstrap: app.token })) {
      const can = who === 'bootstrap' ? ['admin'] : (TOKENS[who]?.can ?? []);
      const expected = NOT_VALID.includes(who)
        ? 401
        : can.some((right) => right === 'read' || right === 'admin')
          ? 200
          : 403;
      for (const path of ['/metrics', '/']) {
        const response = await app.get(path, { headers: { authorization: bearer(secret) } });
        await response.body?.cancel();
        assert.equal(response.status, expected, `${path} by ${who}`);
      }
    }
  });

  const PATHS = [
    '/',
    '/simple/',
    '/simple/acme-lib/',
    '/simple/does-not-exist/',
    '/bundles/shop',
    '/admin/tokens',
    '/admin/nothing',
    '/metrics',
    '/_/other',
    '/_/oidc/',
    '/_/oidc/../simple/acme-lib/',
    '/_/oidc/%2e%2e/simple/',
    '/livez/../admin/tokens',
    '//livez',
    '/livez%2f',
    '/%00',
    '/%ff',
    '/.git/config',
    '/problems/forbidden',
  ];

  const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
  it('every path and method is refused alike', async (t) => {
    const { url } = await testApp(t, { config: { access: { anonymous: [] } } });
    for (const path of [...PATHS, ...ROUTES.map((route) => route.path)]) {
      for (const method of METHODS) {
        const response = await rawRequest(url, { method, path });
        assert.equal(response.status, 401, `${method} ${path}`);
        assert.equal(response.headers['www-authenticate'], 'Basic realm="stormcellar", charset="UTF-8"');
        assert.match(String(response.headers['x-request-id']), /./);
        assert.equal(response.headers['cache-control'], 'no-store', `${method} ${path}`);
        if (method !== 'HEAD') assert.match(response.body, /This needs a token/);
      }
    }
  });

  it('only health and the exchange of identity tokens are open, also with stale credentials', async (t) => {
    const { url } = await accessServer(t, { anonymous: [] });
    const statuses = async (init?: RequestInit) => {
      const paths = ['/livez', '/readyz', '/readyz?x=1', '/_/oidc/audience'];
      return await Promise.all(paths.map(async (path) => (await fetch(url + path, init)).status));
    };
    assert.deepEqual(await statuses(), [200, 200, 200, 404]);
    assert.deepEqual(await statuses({ headers: { Authorization: 'Basic stale' } }), [200, 200, 200, 404]);
  });
});

describe('a page of another site', () => {
  it('cannot make a browser change anything', async (t) => {
    const { url } = await accessServer(t);
    const post = async (headers: Record<string, string>) => {
      const response = await fetch(`${url}/admin/tokens`, {
        method: 'POST',
        headers: { Authorization: basic(BOOTSTRAP_TOKEN), 'Content-Type': 'text/plain', ...headers },
        body: JSON.stringify({ name: 'x', can: ['admin'] }),
      });
      return response.status;
    };
    assert.equal(await post({ Origin: 'https://evil.example' }), 403);
    assert.equal(await post({ Origin: 'null' }), 403);
    assert.equal(await post({ Origin: url }), 201);
  });
});
