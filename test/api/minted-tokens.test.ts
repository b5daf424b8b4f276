import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accessServer } from '../support/access-server.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeIssuer } from '../support/fake-issuer.ts';
import { burn, GRANT, mint, PROBES, setup, upload } from '../support/publisher.ts';
import { BOOTSTRAP_TOKEN, basic } from '../support/test-access.ts';
import { testCatalog } from '../support/test-catalog.ts';

describe('minted tokens', () => {
  it('are listed and can be revoked as others can', async (t) => {
    const app = await setup(t);
    const { body } = await mint(app.url, await app.issuer.sign(app.claims()));
    const admin = { headers: { Authorization: basic(BOOTSTRAP_TOKEN) } };
    const { tokens } = (await (await fetch(`${app.url}/admin/tokens`, admin)).json()) as {
      tokens: { id: string; kind: string; projects: string[] }[];
    };
    assert.deepEqual(
      tokens.map(({ kind, projects }) => ({ kind, projects })),
      [{ kind: 'trusted-publisher', projects: ['acme-*'] }],
    );
    await fetch(`${app.url}/admin/tokens/${tokens[0]?.id}`, { method: 'DELETE', ...admin });
    assert.equal(await upload(app.url, body.token ?? ''), 401);
  });

  it('end when they are burnt, as tools do when they are done, on every node', async (t) => {
    const issuer = await FakeIssuer.start(t);
    const catalog = await testCatalog(t);
    const issuers = [{ issuer: issuer.url, jwksUrl: null, leeway: 30_000, grants: [GRANT] }];
    const oidc = { audience: 'stormcellar', tokenLifetime: 900_000, issuers };
    const options = { catalog, oidc, shared: true, probes: PROBES, anonymous: [] };
    const nodes = [await accessServer(t, options), await accessServer(t, options)] as const;
    const exp = Math.floor(new FakeClock().nowMs() / 1000) + 60;
    const claims = { aud: 'stormcellar', exp, jti: 'x', sub: 'a job', repository: 'acme/lib', ref: 'refs/tags/v1' };
    const { body } = await mint(nodes[0].url, await issuer.sign(claims));
    const token = body.token ?? '';
    for (const { url } of nodes) assert.equal(await upload(url, token), 204);
    assert.equal(await burn(nodes[1].url, token), 202);
    for (const { url } of nodes) assert.equal(await upload(url, token), 401);
    assert.equal(await burn(nodes[0].url, token), 202);
    const { events } = await nodes[0].audit.page({ limit: 10 });
    assert.deepEqual(
      events.map(({ kind, by }) => [kind, by]),
      [
        ['token-revoked', 'oidc:a job'],
        ['publisher-token-created', 'oidc:a job'],
      ],
    );
  });

  it('and no others: whatever else is burnt is answered alike, and goes on', async (t) => {
    const app = await setup(t);
    const made = await app.token({ can: ['upload'] });
    for (const text of [made, BOOTSTRAP_TOKEN, `${made.slice(0, -1)}!`, 'x', await app.issuer.sign(app.claims())]) {
      assert.equal(await burn(app.url, text), 202);
    }
    assert.equal(await upload(app.url, made), 204);
    for (const text of [undefined, '', 5, ['x'], 'x'.repeat(20_000)]) assert.equal(await burn(app.url, text), 400);
    assert.equal(await burn((await accessServer(t)).url, made), 404);
  });

  it('are swept up a day after their end', async (t) => {
    const app = await setup(t);
    await mint(app.url, await app.issuer.sign(app.claims()));
    await app.clock.advance(25 * 3_600_000);
    await mint(app.url, await app.issuer.sign(app.claims()));
    assert.equal((await app.tokens.list()).length, 1);
  });
});
