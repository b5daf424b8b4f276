import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { lastUsedTokens } from '../../../server/access/last-used.ts';
import type { Catalog } from '../../../server/catalog/catalog.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { basic, testAccess } from '../../support/test-access.ts';
import { testCatalog } from '../../support/test-catalog.ts';

const HERE = '192.0.2.1';

describe('when a token was last used', () => {
  it('is written once a minute, not by each use', async (t) => {
    const { authorizer, token, tokens, clock, lastUsed } = await testAccess(t);
    const header = basic(await token({ can: ['read'] }));
    const lastUsedAt = async () => (await tokens.list())[0]?.lastUsedAt;
    lastUsed.start();
    await clock.untilSleeping();
    await authorizer.identify(header, HERE);
    await clock.advance(30_000);
    const at = clock.nowMs();
    authorizer.known(header);
    assert.equal(await lastUsedAt(), undefined);
    await clock.advance(30_000);
    assert.equal(await lastUsedAt(), at);
    await lastUsed.stop();
  });

  it('is written when the server stops', async (t) => {
    const { authorizer, token, tokens, clock, lastUsed } = await testAccess(t);
    lastUsed.start();
    await authorizer.identify(basic(await token({ can: ['read'] })), HERE);
    await lastUsed.stop();
    assert.equal((await tokens.list())[0]?.lastUsedAt, clock.nowMs());
    assert.equal(clock.sleeping, 0);
  });

  it('never goes back', async (t) => {
    const { token, tokens, lastUsed } = await testAccess(t);
    await token({ can: ['read'] });
    const id = (await tokens.list())[0]?.id ?? '';
    for (const at of [2000, 1000]) {
      lastUsed.note(id, at);
      await lastUsed.flush();
    }
    assert.equal((await tokens.list())[0]?.lastUsedAt, 2000);
  });

  it('is kept over a time in which the catalog does not work, and said', async (t) => {
    const working = await testCatalog(t);
    let isBroken = true;
    const catalog: Catalog = {
      read: (script) => working.read(script),
      write: (script) => (isBroken ? Promise.reject(new Error('down')) : working.write(script)),
      close: () => working.close(),
    };
    const failures: unknown[] = [];
    const clock = new FakeClock();
    const { token, tokens } = await testAccess(t, { catalog: working, clock });
    await token({ can: ['read'] });
    const lastUsed = lastUsedTokens({ catalog, clock, onFailure: (error) => failures.push(error) });
    lastUsed.start();
    await clock.untilSleeping();
    lastUsed.note((await tokens.list())[0]?.id ?? '', 5000);
    await clock.advance(60_000);
    assert.equal(failures.length, 1);
    isBroken = false;
    await clock.advance(60_000);
    assert.equal((await tokens.list())[0]?.lastUsedAt, 5000);
    await lastUsed.stop();
    assert.equal(failures.length, 1);
  });
});
