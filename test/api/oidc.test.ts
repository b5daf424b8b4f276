import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { accessServer } from '../support/access-server.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeIssuer } from '../support/fake-issuer.ts';
import { GRANT, LEEWAY, mint, refused, setup, upload } from '../support/publisher.ts';
import { testCatalog } from '../support/test-catalog.ts';

describe('trusted publishing', () => {
  for (const jwksUrl of [undefined, true] as const) {
    it(`gives CI a short-lived token, keys found by ${jwksUrl ? 'configuration' : 'discovery'}`, async (t) => {
      const app = await setup(t, jwksUrl ? { jwksUrl } : {});
      const { url, issuer, clock } = app;
      const asked = await fetch(`${url}/_/oidc/audience`);
      assert.deepEqual(await asked.json(), { audience: 'stormcellar' });
      const { status, body } = await mint(url, await issuer.sign(app.claims()));
      assert.equal(status, 200);
      assert.equal(body.success, true);
      assert.equal(body.expires, Math.floor(clock.nowMs() / 1000) + 900);
      const token = body.token ?? '';
      assert.equal(await upload(url, token), 204);
      assert.equal(await upload(url, token, '/other/'), 403);
      await clock.advance(900_000);
      assert.equal(await upload(url, token), 401);
      assert.equal(issuer.asked.includes('/.well-known/openid-configuration'), jwksUrl === undefined);
    });
  }

  it('works with the algorithms that issuers use', async (t) => {
    const app = await setup(t);
    for (const alg of ['RS256', 'PS256', 'ES384', 'EdDSA']) {
      await app.issuer.rotate(alg);
      await app.clock.advance(60_000);
      assert.equal((await mint(app.url, await app.issuer.sign(app.claims()))).status, 200, alg);
    }
  });

  it('answers where older actions ask as well', async (t) => {
    const app = await setup(t);
    const body = JSON.stringify({ token: await app.issuer.sign(app.claims()) });
    assert.equal((await fetch(`${app.url}/_/oidc/github/mint-token`, { method: 'POST', body })).status, 200);
  });

  it('says in the audit trail who it was', async (t) => {
    const app = await setup(t);
    const { body } = await mint(app.url, await app.issuer.sign(app.claims()));
    await upload(app.url, body.token ?? '');
    const { events } = await app.audit.page({ limit: 10 });
    assert.equal(events.length, 1);
    assert.equal(events[0]?.kind, 'publisher-token-created');
    assert.equal(events[0]?.by, 'oidc:repo:acme/lib:ref:refs/tags/v1');
    assert.equal(events[0]?.address, '127.0.0.1');
    assert.ok(!JSON.stringify(events).includes(body.token ?? '-'));
  });

  it('is a quick 404 where no issuer is trusted, and below /_/ elsewhere', async (t) => {
    const { url } = await accessServer(t);
    for (const [method, path] of [
      ['GET', '/_/oidc/audience'],
      ['POST', '/_/oidc/mint-token'],
      ['POST', '/_/oidc/burn-token'],
      ['GET', '/_/other'],
    ]) {
      const response = await fetch(`${url}${path}`, { method: method ?? '' });
      assert.equal(response.status, 404);
      assert.equal(response.headers.get('content-type'), 'application/problem+json');
      await response.body?.cancel();
    }
  });
});

describe('an identity token is refused', () => {
  const now = Math.floor(new FakeClock().nowMs() / 1000);
  const invalid: readonly [what: string, over: Record<string, unknown>][] = [
    ['of another issuer', { iss: 'https://evil.example' }],
    ['of an issuer that only begins alike', { iss: 'http://127.0.0.1' }],
    ['without an issuer', { iss: undefined }],
    ['for another audience', { aud: 'pypi' }],
    ['for no audience', { aud: undefined }],
    ['for several audiences without ours', { aud: ['pypi', 'x'] }],
    ['that has expired', { exp: now - LEEWAY }],
    ['that is not good yet', { nbf: now + LEEWAY + 1 }],
    ['without an end', { exp: undefined }],
    ['with an end that is no number', { exp: '9999999999' }],
  ];
  it('when what it says of itself is wrong', async (t) => {
    const app = await setup(t);
    for (const [what, over] of invalid) {
      refused(await mint(app.url, await app.issuer.sign(app.claims(over))), 'invalid-token', what);
    }
    assert.deepEqual(await app.tokens.list(), []);
  });

  it('but not when clocks differ by less than the leeway', async (t) => {
    const app = await setup(t);
    for (const over of [
      { exp: now - LEEWAY + 1 },
      { nbf: now + LEEWAY },
      { exp: 1e300 },
      { exp: now + 0.5 },
      { aud: ['x', 'stormcellar'] },
    ]) {
      assert.equal((await mint(app.url, await app.issuer.sign(app.claims(over)))).status, 200, JSON.stringify(over));
    }
  });

  const strangers: readonly Record<string, unknown>[] = [
    { repository: 'acme/lib-evil' },
    { repository: 'evil/acme/lib' },
    { repository: 'ACME/lib' },
    { repository: undefined },
    { repository: ['acme/lib'] },
    { repository: { toString: 'acme/lib' } },
    { ref: 'refs/heads/main' },
    { ref: undefined },
  ];
  it('when no publisher has its claims', async (t) => {
    const app = await setup(t);
    for (const over of strangers) {
      const token = await app.issuer.sign(app.claims(over));
      refused(await mint(app.url, token), 'invalid-publisher', JSON.stringify(over));
    }
  });

  it('when it is not signed by the issuer', async (t) => {
    const app = await setup(t);
    const other = await FakeIssuer.start(t);
    const good = await app.issuer.sign(app.claims());
    const [head = '', payload = '', signature = ''] = good.split('.');
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const jwks = JSON.stringify(await (await fetch(app.issuer.jwksUrl)).json());
    const hmacHead = part({ alg: 'HS256', kid: 'key-1' });
    const hmac = createHmac('sha256', jwks).update(`${hmacHead}.${payload}`).digest('base64url');
    const forged: Record<string, unknown> = {
      'by another key of the same name': await other.sign(app.claims({ iss: app.issuer.url })),
      'by nobody': `${part({ alg: 'none' })}.${payload}.`,
      'by a hash of the public key': `${hmacHead}.${payload}.${hmac}`,
      'before its claims were changed': `${head}.${part(app.claims({ repository: 'acme/lib' }))}.${signature}`,
      'by a key that it brings along': await other.sign(app.claims({ iss: app.issuer.url }), {
        kid: undefined,
        jku: other.jwksUrl,
      }),
      'by an unknown key': await other.sign(app.claims({ iss: app.issuer.url }), { kid: 'unknown' }),
      'in two parts': `${head}.${payload}`,
      'in too many parts': `${good}.${signature}`,
      'in a form that is none': 'a.b.c',
      'in too long a form': `${good}${'A'.repeat(17_000)}`,
    };
    for (const [what, token] of Object.entries(forged)) {
      const { status, body } = await mint(app.url, token);
      assert.ok(status === 422 || status === 400, `${what}: ${status}`);
      assert.equal(body.token, undefined, what);
    }
    for (const token of [undefined, null, 5, '', {}, ['x']]) assert.equal((await mint(app.url, token)).status, 400);
    assert.deepEqual(await app.tokens.list(), []);
    assert.equal((await mint(app.url, good)).status, 200);
  });

  it('too often from one address, and then told to wait', async (t) => {
    const app = await setup(t, { failuresPerMinute: 2 });
    for (let i = 0; i < 2; i++) refused(await mint(app.url, 'a.b.c'), 'invalid-token');
    assert.equal((await mint(app.url, 'a.b.c')).status, 429);
    assert.equal((await mint(app.url, await app.issuer.sign(app.claims()))).status, 200);
  });
});

describe('an identity token is good for once', () => {
  it('also when it is sent many times at once', async (t) => {
    const app = await setup(t);
    const token = await app.issuer.sign(app.claims());
    const answers = await Promise.all(Array.from({ length: 10 }, () => mint(app.url, token)));
    const statuses = answers.map(({ status }) => status).sort();
    assert.deepEqual(statuses, [200, ...Array.from({ length: 9 }, () => 422)]);
    refused(await mint(app.url, token), 'invalid-reuse-token');
    assert.equal((await app.tokens.list()).length, 1);
  });

  it('until the last instant at which it could pass', async (t) => {
    const app = await setup(t);
    const token = await app.issuer.sign(app.claims());
    assert.equal((await mint(app.url, token)).status, 200);
    for (const [seconds, code] of [
      [299, 'invalid-reuse-token'],
      [1, 'invalid-reuse-token'],
      [LEEWAY - 1, 'invalid-reuse-token'],
      [1, 'invalid-token'],
      [600, 'invalid-token'],
    ] as const) {
      await app.clock.advance(seconds * 1000);
      refused(await mint(app.url, token), code);
      // a good one, so that what may be forgotten is swept up
      assert.equal((await mint(app.url, await app.issuer.sign(app.claims()))).status, 200);
    }
  });

  it('when its id comes back in another token, or when it has no id', async (t) => {
    const app = await setup(t);
    assert.equal((await mint(app.url, await app.issuer.sign(app.claims({ jti: 'same' })))).status, 200);
    refused(await mint(app.url, await app.issuer.sign(app.claims({ jti: 'same', nonce: 2 }))), 'invalid-reuse-token');
    const anonymous = app.claims({ jti: undefined });
    assert.equal((await mint(app.url, await app.issuer.sign(anonymous))).status, 200);
    // ECDSA signs the same claims differently each time
    refused(await mint(app.url, await app.issuer.sign(anonymous)), 'invalid-reuse-token');
  });

  it('on every node', async (t) => {
    const issuer = await FakeIssuer.start(t);
    const catalog = await testCatalog(t);
    const issuers = [{ issuer: issuer.url, jwksUrl: null, leeway: 30_000, grants: [GRANT] }];
    const oidc = { audience: 'stormcellar', tokenLifetime: 900_000, issuers };
    const nodes = [await accessServer(t, { catalog, oidc }), await accessServer(t, { catalog, oidc })];
    const exp = Math.floor(new FakeClock().nowMs() / 1000) + 60;
    const claims = { aud: 'stormcellar', exp, jti: 'x', repository: 'acme/lib', ref: 'refs/tags/v1' };
    const token = await issuer.sign(claims);
    const answers = await Promise.all(nodes.map(({ url }) => mint(url, token)));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 422]);
  });
});

describe('the keys of an issuer', () => {
  it('are fetched once, also for many, and again when it signs with a new one', async (t) => {
    const app = await setup(t);
    const tokens = await Promise.all(Array.from({ length: 5 }, () => app.issuer.sign(app.claims())));
    const answers = await Promise.all(tokens.map((token) => mint(app.url, token)));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200, 200, 200],
    );
    assert.deepEqual(app.issuer.asked, ['/.well-known/openid-configuration', '/jwks']);
    await app.issuer.rotate();
    await app.clock.advance(60_000);
    assert.equal((await mint(app.url, await app.issuer.sign(app.claims()))).status, 200);
    assert.equal(app.issuer.asked.length, 4);
  });

  it('are not fetched again and again for keys that do not exist', async (t) => {
    const app = await setup(t);
    for (let i = 0; i < 5; i++) {
      refused(await mint(app.url, await app.issuer.sign(app.claims(), { kid: `made up ${i}` })), 'invalid-token');
    }
    assert.equal(app.issuer.asked.length, 2);
  });

  const faults: readonly [what: string, fault: (res: ServerResponse) => void][] = [
    ['it fails', (res) => res.writeHead(500).end()],
    ['it breaks off', (res) => res.destroy()],
    ['it sends a page', (res) => res.end('<html>')],
    ['it sends null', (res) => res.end('null')],
    ['it sends too much', (res) => res.end(`"${'x'.repeat(300_000)}"`)],
    ['it sends one elsewhere', (res) => res.writeHead(302, { Location: 'http://127.0.0.1:1/' }).end()],
  ];
  it('cannot be had while it does not work: 503, and CI may try again', async (t) => {
    const app = await setup(t);
    const token = await app.issuer.sign(app.claims());
    for (const [what, fault] of faults) {
      app.issuer.fault = fault;
      const { status, body } = await mint(app.url, token);
      assert.equal(status, 503, what);
      assert.equal(body.type, '/problems/issuer-unavailable', what);
      assert.ok(!JSON.stringify(body).includes('127.0.0.1'), what);
    }
    app.issuer.fault = undefined;
    for (const discovery of [
      { issuer: 'https://evil.example' },
      { jwks_uri: 'file:///etc/passwd' },
      { jwks_uri: 'http://192.0.2.1/jwks' },
      { jwks_uri: 5 },
    ]) {
      app.issuer.discovery = discovery;
      assert.equal((await mint(app.url, token)).status, 503, JSON.stringify(discovery));
    }
    app.issuer.discovery = {};
    assert.equal((await mint(app.url, token)).status, 200);
  });
});

describe('rules that would be unsafe', () => {
  const issuer = { issuer: 'https://ci.example', jwksUrl: null, leeway: 30_000, grants: [GRANT] };
  const cases: readonly [what: string, issuers: readonly (typeof issuer)[]][] = [
    ['an issuer that anybody on the way could be', [{ ...issuer, issuer: 'http://ci.example' }]],
    ['a publisher that anybody could be', [{ ...issuer, grants: [{ ...GRANT, claims: {} }] }]],
    ['a publisher with any repository', [{ ...issuer, grants: [{ ...GRANT, claims: { repository: '*' } }] }]],
    ['one issuer twice', [issuer, issuer]],
    ['a pattern that is none', [{ ...issuer, grants: [{ ...GRANT, projects: ['a*b'] }] }]],
  ];
  for (const [what, issuers] of cases) {
    it(`do not let the server start: ${what}`, async (t) => {
      await assert.rejects(
        accessServer(t, { oidc: { audience: 'stormcellar', tokenLifetime: 900_000, issuers } }),
        Error,
      );
    });
  }
});
