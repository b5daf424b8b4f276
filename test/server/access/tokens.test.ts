import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { all } from '../../../server/catalog/catalog.ts';
import { sql } from '../../../server/catalog/schema.ts';
import type { Principal } from '../../../server/model/access.ts';
import { Problem, type ProblemSlug } from '../../../server/problem.ts';
import { ADMIN, testAccess } from '../../support/test-access.ts';

const FROM = { name: 'boss', address: '192.0.2.7' };

function problem(slug: ProblemSlug) {
  return (error: unknown) => error instanceof Problem && error.slug === slug;
}

describe('tokens', () => {
  it('are kept without their secret, and each change is in the audit trail', async (t) => {
    const { tokens, audit, catalog, clock } = await testAccess(t);
    const expiresAt = clock.nowMs() + 86_400_000;
    const wanted = { name: 'ci', can: ['upload'], projects: ['Acme_*'], expiresAt } as const;
    const { token, secret } = await tokens.create(wanted, ADMIN, FROM);
    await tokens.revoke(token.id, { name: 'other boss' });
    const { events } = await audit.page({ limit: 10, subject: `token/${token.id}` });
    assert.deepEqual(
      events.map(({ kind, by, address, detail }) => ({ kind, by, address, detail })),
      [
        { kind: 'token-revoked', by: 'other boss', address: undefined, detail: { name: 'ci' } },
        {
          kind: 'token-created',
          by: 'boss',
          address: '192.0.2.7',
          detail: {
            name: 'ci',
            can: ['upload'],
            projects: ['acme-*'],
            expiresAt: new Date(expiresAt).toISOString(),
          },
        },
      ],
    );
    for (const table of ['token', 'event'] as const) {
      const rows = await catalog.read(() => all(sql.selectFrom(table).selectAll()));
      assert.ok(!JSON.stringify(rows).includes(secret));
    }
    assert.deepEqual(await tokens.list(), []);
  });

  it('are listed in the order in which they were made, in parts', async (t) => {
    const { tokens, token, clock } = await testAccess(t);
    for (const name of ['a', 'b', 'c']) {
      await token({ name, can: ['read'] });
      await clock.advance(1);
    }
    const names = async (after?: string) => (await tokens.list({ after })).map(({ name }) => name);
    assert.deepEqual(await names(), ['a', 'b', 'c']);
    assert.deepEqual(await names((await tokens.list())[0]?.id), ['b', 'c']);
  });

  it('that do not exist cannot be revoked', async (t) => {
    const { tokens, audit } = await testAccess(t);
    await assert.rejects(tokens.revoke('nothing', FROM), problem('token-not-found'));
    assert.deepEqual((await audit.page({ limit: 10 })).events, []);
  });

  it('cannot be made by a token that allows less', async (t) => {
    const { tokens } = await testAccess(t);
    const limited: Principal = { kind: 'token', name: 'limited', can: ['admin'], projects: ['acme-*'] };
    const make = (projects?: string[]) =>
      tokens.create({ name: 'x', can: ['upload'], apps: null, projects }, limited, FROM);
    await make(['acme-lib']);
    await assert.rejects(make(['acme*']), problem('forbidden'));
    await assert.rejects(make(), problem('forbidden'));
  });

  it('do not outlive the token that they are made with', async (t) => {
    const { tokens, clock } = await testAccess(t);
    const end = clock.nowMs() + 60_000;
    const brief: Principal = { ...ADMIN, expiresAt: end };
    const make = async (expiresAt?: number) =>
      (await tokens.create({ name: 'x', can: ['admin'], expiresAt }, brief, FROM)).token.expiresAt;
    assert.equal(await make(), end);
    assert.equal(await make(end - 1), end - 1);
    await assert.rejects(make(end + 1), problem('forbidden'));
    await assert.rejects(make(clock.nowMs()), problem('malformed-request'));
  });

  it('do not take a name that the audit trail gives to others', async (t) => {
    const { token } = await testAccess(t);
    for (const name of ['anonymous', 'Bootstrap', 'server', 'oidc:repo:acme/app']) {
      await assert.rejects(token({ name, can: ['read'] }), problem('malformed-request'), name);
    }
  });
});
