import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { TokenAuthorizer } from '../../../server/access/token-authorizer.ts';
import type { Catalog } from '../../../server/catalog/catalog.ts';
import { Problem, type ProblemSlug } from '../../../server/problem.ts';
import { BOOTSTRAP_TOKEN, basic, bearer, testAccess } from '../../support/test-access.ts';
import { testCatalog } from '../../support/test-catalog.ts';

const HERE = '192.0.2.1';

function problem(slug: ProblemSlug) {
  return (error: unknown) => error instanceof Problem && error.slug === slug;
}

function refuses(authorizer: TokenAuthorizer, header: string, slug: ProblemSlug = 'invalid-credentials') {
  return assert.rejects(authorizer.identify(header, HERE), problem(slug));
}

/** A catalog that counts what is asked of it. */
function counting(catalog: Catalog): { catalog: Catalog; reads: () => number } {
  let reads = 0;
  return {
    reads: () => reads,
    catalog: {
      read: (script) => {
        reads += 1;
        return catalog.read(script);
      },
      write: (script) => catalog.write(script),
      close: () => catalog.close(),
    },
  };
}

describe('who presents a token', () => {
  it('is known by Basic with any user, by the user alone, and by Bearer', async (t) => {
    const { authorizer, token } = await testAccess(t);
    const secret = await token({ name: 'ci', can: ['upload'], projects: ['Acme_*'] });
    for (const header of [basic(secret), basic(secret, 'somebody'), basic('', secret), bearer(secret)]) {
      const principal = await authorizer.identify(header, HERE);
      assert.equal(principal.name, 'ci');
      assert.equal(principal.kind, 'token');
      assert.deepEqual(principal.projects, ['acme-*']);
    }
  });

  it('is nobody without a header', async (t) => {
    const { authorizer } = await testAccess(t);
    assert.deepEqual(await authorizer.identify(undefined, HERE), {
      kind: 'anonymous',
      name: 'anonymous',
      can: ['read'],
    });
    assert.equal(authorizer.known(undefined)?.kind, 'anonymous');
  });

  it('is an admin with the bootstrap token', async (t) => {
    const { authorizer } = await testAccess(t);
    assert.deepEqual((await authorizer.identify(basic(BOOTSTRAP_TOKEN), HERE)).can, ['admin']);
    assert.equal(authorizer.known(basic(BOOTSTRAP_TOKEN))?.name, 'bootstrap');
  });

  it('is refused when the bootstrap token is not set, or too short to be one', async (t) => {
    const { authorizer } = await testAccess(t, { bootstrapToken: undefined });
    await refuses(authorizer, basic(BOOTSTRAP_TOKEN));
    await assert.rejects(testAccess(t, { bootstrapToken: 'x'.repeat(19) }), RangeError);
  });

  it('is refused with anything else, without a look-up', async (t) => {
    const { catalog, reads } = counting(await testCatalog(t));
    const { authorizer, token } = await testAccess(t, { catalog, failuresPerMinute: 100 });
    const secret = await token({ can: ['read'] });
    const broken = secret.slice(0, -1) + (secret.endsWith('a') ? 'b' : 'a');
    for (const header of ['', 'Basic', basic('wrong'), bearer(broken), `Negotiate ${secret}`, secret]) {
      await refuses(authorizer, header);
    }
    assert.equal(reads(), 0);
  });

  it('is refused with a well-formed token that does not exist', async (t) => {
    const one = await testAccess(t);
    const other = await testAccess(t);
    await refuses(one.authorizer, bearer(await other.token({ can: ['admin'] })));
  });
});

describe('what is remembered of a token', () => {
  it('answers from memory after the first time', async (t) => {
    const { catalog, reads } = counting(await testCatalog(t));
    const { authorizer, token } = await testAccess(t, { catalog });
    const header = basic(await token({ can: ['read'] }));
    assert.equal(authorizer.known(header), undefined);
    await authorizer.identify(header, HERE);
    assert.equal(authorizer.known(header)?.name, 'test');
    await authorizer.identify(header, HERE);
    assert.equal(reads(), 1);
  });

  it('ends with its revocation, at once', async (t) => {
    const { authorizer, token, tokens } = await testAccess(t);
    const headers = [basic(await token({ can: ['read'] })), bearer(await token({ can: ['read'] }))] as const;
    const [gone, stays] = [await authorizer.identify(headers[0], HERE), await authorizer.identify(headers[1], HERE)];
    await tokens.revoke(gone.tokenId ?? '', { name: 'admin' });
    assert.equal(authorizer.known(headers[0]), undefined);
    await refuses(authorizer, headers[0]);
    assert.equal((await authorizer.identify(headers[1], HERE)).tokenId, stays.tokenId);
  });

  it('ends with its time', async (t) => {
    const { authorizer, token, clock } = await testAccess(t);
    const header = basic(await token({ can: ['read'], expiresAt: clock.nowMs() + 1000 }));
    await authorizer.identify(header, HERE);
    await clock.advance(999);
    assert.notEqual(authorizer.known(header), undefined);
    await clock.advance(1);
    assert.equal(authorizer.known(header), undefined);
    await refuses(authorizer, header);
  });

  it('is not kept of a token that is revoked while it is being looked up', async (t) => {
    const catalog = await testCatalog(t);
    let meanwhile: (() => Promise<void>) | undefined;
    const slow: Catalog = {
      ...{ write: (script) => catalog.write(script), close: () => catalog.close() },
      read: async (script) => {
        const found = await catalog.read(script);
        await meanwhile?.();
        return found;
      },
    };
    const { authorizer, token, tokens } = await testAccess(t, { catalog: slow });
    const header = basic(await token({ can: ['read'] }));
    const [{ id } = { id: '' }] = await tokens.list();
    meanwhile = () => {
      meanwhile = undefined;
      return tokens.revoke(id, { name: 'admin' });
    };
    // It was asked before the revocation, so it may still pass; but never again.
    await authorizer.identify(header, HERE);
    assert.equal(authorizer.known(header), undefined);
    await refuses(authorizer, header);
  });
});

describe('many nodes on one catalog', () => {
  async function twoNodes(t: TestContext) {
    const { catalog, reads } = counting(await testCatalog(t));
    const [one, two] = [
      await testAccess(t, { catalog, shared: true }),
      await testAccess(t, { catalog, shared: true }),
    ] as const;
    return { one, two, reads };
  }

  it('see a revocation with the next request', async (t) => {
    const { one, two } = await twoNodes(t);
    const header = basic(await one.token({ can: ['read'] }));
    const { tokenId = '' } = await two.authorizer.identify(header, HERE);
    assert.equal(two.authorizer.known(header), undefined, 'memory alone is not enough to say so');
    await one.tokens.revoke(tokenId, { name: 'admin' });
    await refuses(two.authorizer, header);
    await refuses(one.authorizer, header);
  });

  it('go on knowing what was not revoked', async (t) => {
    const { one, two } = await twoNodes(t);
    const kept = basic(await one.token({ name: 'kept', can: ['read'] }));
    const gone = basic(await one.token({ name: 'gone', can: ['read'] }));
    await two.authorizer.identify(kept, HERE);
    const { tokenId = '' } = await two.authorizer.identify(gone, HERE);
    await one.tokens.revoke(tokenId, { name: 'admin' });
    assert.equal((await two.authorizer.identify(kept, HERE)).name, 'kept');
  });

  it('pay one small read for a known token, and share it among those who ask together', async (t) => {
    const { one, reads } = await twoNodes(t);
    const header = basic(await one.token({ can: ['read'] }));
    await one.authorizer.identify(header, HERE);
    const before = reads();
    await one.authorizer.identify(header, HERE);
    assert.equal(reads() - before, 1);
    await Promise.all(Array.from({ length: 50 }, () => one.authorizer.identify(header, HERE)));
    assert.ok(reads() - before <= 3, `${reads() - before} reads`);
  });

  it('ask no catalog for the bootstrap token', async (t) => {
    const { one, reads } = await twoNodes(t);
    await one.authorizer.identify(basic(BOOTSTRAP_TOKEN), HERE);
    const before = reads();
    assert.notEqual(one.authorizer.known(basic(BOOTSTRAP_TOKEN)), undefined);
    assert.equal(reads(), before);
  });
});

describe('failed attempts', () => {
  it('are limited by address, and good tokens are answered all the while', async (t) => {
    const { authorizer, token } = await testAccess(t, { failuresPerMinute: 3 });
    const good = basic(await token({ can: ['read'] }));
    for (let i = 0; i < 3; i++) await refuses(authorizer, basic(`guess ${i}`));
    await assert.rejects(authorizer.identify(basic('guess 4'), HERE), (error) => {
      assert.ok(error instanceof Problem);
      assert.equal(error.slug, 'rate-limited');
      assert.ok((error.retryAfter ?? 0) >= 1 && (error.retryAfter ?? 0) <= 60);
      return true;
    });
    assert.equal((await authorizer.identify(good, HERE)).name, 'test');
    assert.equal((await authorizer.identify(undefined, HERE)).kind, 'anonymous');
    await assert.rejects(authorizer.identify(basic('guess'), '192.0.2.2'), problem('invalid-credentials'));
  });

  it('count an IPv6 network as one address', async (t) => {
    const { authorizer } = await testAccess(t, { failuresPerMinute: 2 });
    for (const address of ['2001:db8::1', '2001:db8:0:0:5::']) {
      await assert.rejects(authorizer.identify(basic('guess'), address), problem('invalid-credentials'));
    }
    await assert.rejects(authorizer.identify(basic('guess'), '2001:0db8::ffff'), problem('rate-limited'));
    await assert.rejects(authorizer.identify(basic('guess'), '2001:db8:0:1::1'), problem('invalid-credentials'));
  });
});

describe('whether somebody may', () => {
  it('asks the anonymous for credentials, and tells the others that theirs do not suffice', async (t) => {
    const { authorizer, token } = await testAccess(t, { anonymous: [] });
    const reader = await authorizer.identify(basic(await token({ can: ['read'] })), HERE);
    const nobody = await authorizer.identify(undefined, HERE);
    authorizer.authorize(reader, 'read', { kind: 'project', name: 'x' });
    assert.throws(() => authorizer.authorize(nobody, 'read', { kind: 'server' }), problem('credentials-required'));
    assert.throws(() => authorizer.authorize(reader, 'admin', { kind: 'server' }), problem('forbidden'));
  });

  it('gives everybody what the anonymous may do', async (t) => {
    const { authorizer, token } = await testAccess(t);
    const uploader = await authorizer.identify(basic(await token({ can: ['upload'], projects: ['a'] })), HERE);
    authorizer.authorize(uploader, 'read', { kind: 'project', name: 'other' });
  });
});
