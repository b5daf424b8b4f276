import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ensureFirstToken } from '../../server/access/first-token.ts';
import { openSqlite } from '../../server/catalog/sqlite.ts';
import { accessServer } from '../support/access-server.ts';
import { FakeIssuer } from '../support/fake-issuer.ts';
import { tempDir } from '../support/temp-dir.ts';
import { BOOTSTRAP_TOKEN, basic, bearer } from '../support/test-access.ts';
import { MIGRATIONS_DIR } from '../support/test-catalog.ts';

/** Every file below a folder, by its path. */
async function filesBelow(dir: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const entry of await readdir(dir, { recursive: true })) {
    const path = join(dir, entry);
    if ((await stat(path)).isFile()) files.set(entry, await readFile(path));
  }
  return files;
}

describe('secrets', () => {
  it('are in no log line, error, metric, audit event, list or file', async (t) => {
    const dataDir = await tempDir(t);
    const catalog = await openSqlite({ path: join(dataDir, 'catalog.sqlite'), migrationsDir: MIGRATIONS_DIR });
    t.after(() => catalog.close());
    const issuer = await FakeIssuer.start(t);
    const grants = [{ claims: { repository: 'acme/lib' }, can: ['upload' as const], projects: null, apps: null }];
    const app = await accessServer(t, {
      catalog,
      anonymous: [],
      failuresPerMinute: 3,
      oidc: {
        audience: 'stormcellar',
        tokenLifetime: 900_000,
        issuers: [{ issuer: issuer.url, jwksUrl: null, leeway: 0, grants }],
      },
    });
    const { url, clock } = app;
    const first = await ensureFirstToken({ catalog, clock, dataDir });
    assert.ok(first);
    const seen: string[] = [];
    const ask = async (path: string, init?: RequestInit): Promise<string> => {
      const response = await fetch(url + path, init);
      const text = await response.text();
      seen.push(JSON.stringify([...response.headers]), response.statusText, text);
      return text;
    };
    const admin = { Authorization: basic(BOOTSTRAP_TOKEN) };
    const create = { method: 'POST', headers: admin, body: JSON.stringify({ name: 'ci', can: ['upload'] }) };
    const made = JSON.parse(await ask('/admin/tokens', create)) as { id: string; token: string };
    seen.length = 0; // the one answer that may tell
    const exp = clock.nowMs() / 1000 + 300;
    const identity = await issuer.sign({ aud: 'stormcellar', exp, jti: 'one', repository: 'acme/lib' });
    const exchange = { method: 'POST', body: JSON.stringify({ token: identity }) };
    const minted = JSON.parse(await ask('/_/oidc/mint-token', exchange)) as { token: string };
    seen.length = 0;
    const wrong = `${made.token.slice(0, -1)}_`;
    const mistakes: readonly [path: string, init: RequestInit][] = [
      ['/admin/tokens', { headers: { Authorization: basic(made.token) } }],
      ['/admin/tokens', { headers: { Authorization: bearer(minted.token) } }],
      ['/nothing', { headers: { Authorization: bearer(made.token) } }],
      ['/admin/tokens', { headers: { Authorization: basic(wrong) } }],
      ['/admin/tokens', { headers: { Authorization: `Digest ${made.token}` } }],
      ['/admin/tokens', { headers: { Authorization: basic('', made.token) }, method: 'POST', body: made.token }],
      ['/_/oidc/mint-token', exchange],
      ['/_/oidc/mint-token', { method: 'POST', body: JSON.stringify({ token: made.token }) }],
      ['/_/oidc/mint-token', { method: 'POST', body: made.token }],
      ['/_/oidc/burn-token', { method: 'POST', body: made.token }],
      ['/_/oidc/burn-token', { method: 'POST', body: JSON.stringify({ token: made.token }) }],
      ['/_/oidc/burn-token', { method: 'POST', body: JSON.stringify({ token: minted.token }) }],
      [`/admin/events?limit=${made.token}`, { headers: admin }],
      ['/admin/tokens', { ...create, body: JSON.stringify({ name: 'x', can: [made.token] }) }],
      ['/admin/tokens', { headers: admin }],
      ['/admin/events', { headers: admin }],
    ];
    for (const [path, init] of mistakes) await ask(path, init);
    await app.lastUsed.flush();

    const secrets = { bootstrap: BOOTSTRAP_TOKEN, first, made: made.token, minted: minted.token, wrong, identity };
    const texts = new Map<string, Buffer>([
      ['answers', Buffer.from(seen.join('\n'))],
      ['log', Buffer.from(app.logged.join(''))],
      ['metrics', Buffer.from(await app.metrics.registry.metrics())],
      ...(await filesBelow(dataDir)),
    ]);
    assert.ok(app.logged.length >= mistakes.length);
    assert.ok(texts.has('catalog.sqlite'));
    for (const [what, secret] of Object.entries(secrets)) {
      const forms = [secret, basic(secret).slice(6), basic('', secret).slice(6), encodeURIComponent(secret)];
      for (const [where, text] of texts) {
        if (what === 'first' && where === 'admin-token') continue;
        for (const form of forms) assert.ok(!text.includes(form), `the ${what} token is in ${where}`);
      }
    }
  });
});
