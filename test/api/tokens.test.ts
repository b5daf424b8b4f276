import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accessServer } from '../support/access-server.ts';
import { BOOTSTRAP_TOKEN, basic, bearer } from '../support/test-access.ts';

const ADMIN = { Authorization: basic(BOOTSTRAP_TOKEN) };

interface TokenView {
  readonly id: string;
  readonly token?: string;
  readonly [member: string]: unknown;
}

async function create(url: string, body: unknown, headers: Record<string, string> = ADMIN) {
  const response = await fetch(`${url}/admin/tokens`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as TokenView };
}

async function list(url: string): Promise<readonly TokenView[]> {
  const response = await fetch(`${url}/admin/tokens`, { headers: ADMIN });
  assert.equal(response.status, 200);
  return ((await response.json()) as { tokens: TokenView[] }).tokens;
}

describe('the tokens of the admin API', () => {
  it('are made, used, listed without their secret, and revoked', async (t) => {
    const { url } = await accessServer(t, { anonymous: [] });
    const expiresAt = '2026-06-02T12:00:00.000Z';
    const made = await create(url, { name: 'ci', can: ['admin'], expiresAt });
    assert.equal(made.status, 201);
    assert.equal(made.headers.get('cache-control'), 'no-store');
    const { token = '', ...shown } = made.body;
    assert.match(token, /^sc_[0-9A-Za-z]{46}$/);
    assert.deepEqual(shown, {
      id: shown.id,
      name: 'ci',
      kind: 'token',
      can: ['admin'],
      projects: null,
      apps: null,
      createdAt: '2026-06-01T12:00:00.000Z',
      createdBy: 'bootstrap',
      expiresAt,
      lastUsedAt: null,
    });
    assert.deepEqual(await list(url), [shown]);
    const asCi = { headers: { Authorization: bearer(token) } };
    assert.equal((await fetch(`${url}/admin/tokens`, asCi)).status, 200);
    const gone = await fetch(`${url}/admin/tokens/${shown.id}`, { method: 'DELETE', headers: ADMIN });
    assert.equal(gone.status, 204);
    assert.equal((await fetch(`${url}/admin/tokens`, asCi)).status, 401);
    assert.deepEqual(await list(url), []);
    const again = await fetch(`${url}/admin/tokens/${shown.id}`, { method: 'DELETE', headers: ADMIN });
    assert.equal(again.status, 404);
    assert.equal(((await again.json()) as { type: string }).type, '/problems/token-not-found');
  });

  it('take patterns, and dates for their end', async (t) => {
    const { url } = await accessServer(t);
    const made = await create(url, {
      name: ' trimmed ',
      can: ['upload', 'read'],
      projects: ['Acme_*'],
      apps: null,
      expiresAt: '2026-06-30',
    });
    assert.equal(made.status, 201);
    const { name, can, projects, apps, expiresAt } = made.body;
    assert.deepEqual(
      { name, can, projects, apps, expiresAt },
      {
        name: 'trimmed',
        can: ['read', 'upload'],
        projects: ['acme-*'],
        apps: null,
        expiresAt: '2026-06-30T23:59:59.999Z',
      },
    );
  });

  const bad: readonly [what: string, body: unknown, pointer: string][] = [
    ['nothing', '', ''],
    ['no JSON', '{', ''],
    ['no object', '[]', ''],
    ['no name', { can: ['read'] }, '/name'],
    ['an empty name', { name: '  ', can: ['read'] }, '/name'],
    ['a name with a line break', { name: 'a\r\nSet-Cookie: x=1', can: ['read'] }, '/name'],
    ['a name that is too long', { name: 'x'.repeat(101), can: ['read'] }, '/name'],
    ['no right', { name: 'x', can: [] }, '/can'],
    ['a right that does not exist', { name: 'x', can: ['root'] }, '/can/0'],
    ['a right that is no text', { name: 'x', can: [{}] }, '/can/0'],
    ['a pattern that is none', { name: 'x', can: ['read'], projects: ['a*b'] }, '/projects/0'],
    ['a time without a zone', { name: 'x', can: ['read'], expiresAt: '2030-01-01T00:00:00' }, '/expiresAt'],
    ['a time that is past', { name: 'x', can: ['read'], expiresAt: '2020-01-01T00:00:00Z' }, '/expiresAt'],
    ['a number for a time', { name: 'x', can: ['read'], expiresAt: 5 }, '/expiresAt'],
    ['a member that does not exist', { name: 'x', can: ['read'], admin: true }, ''],
    ['a prototype', '{"name": "x", "can": ["read"], "__proto__": {"can": ["admin"]}}', ''],
    ['a constructor', '{"name": "x", "can": ["read"], "constructor": {"prototype": {"can": ["admin"]}}}', ''],
    ['too much', { name: 'x', can: ['read'], projects: ['a'.repeat(100_000)] }, ''],
  ];
  it('refuse what makes no sense, and make nothing of it', async (t) => {
    const { url, tokens } = await accessServer(t);
    for (const [what, body, pointer] of bad) {
      const { status, headers, body: problem } = await create(url, body);
      assert.ok(status === 400 || status === 413, `${what}: ${status}`);
      assert.equal(headers.get('content-type'), 'application/problem+json', what);
      if (pointer !== '') assert.equal((problem.errors as { pointer: string }[])[0]?.pointer, pointer, what);
    }
    assert.deepEqual(await tokens.list(), []);
    assert.equal(Object.hasOwn(Object.prototype, 'can'), false);
  });

  it('never grant more, or longer, than the token that they are made with', async (t) => {
    const { url, token, clock } = await accessServer(t);
    const brief = await token({ can: ['admin'], expiresAt: clock.nowMs() + 60_000 });
    const by = { Authorization: bearer(brief) };
    const longer = await create(url, { name: 'x', can: ['admin'], expiresAt: '2030-01-01T00:00:00Z' }, by);
    assert.equal(longer.status, 403);
    const same = await create(url, { name: 'x', can: ['admin'] }, by);
    assert.equal(same.body.expiresAt, new Date(clock.nowMs() + 60_000).toISOString());
    const limited = { Authorization: bearer(await token({ can: ['admin'], projects: ['acme-*'] })) };
    assert.equal((await create(url, { name: 'x', can: ['read'], projects: ['acme-*'] }, limited)).status, 403);
  });
});

describe('the audit trail', () => {
  it('is paged through, newest first, by following next', async (t) => {
    const { url, token, clock } = await accessServer(t);
    for (let i = 0; i < 5; i++) {
      await token({ name: `t${i}`, can: ['read'] });
      await clock.advance(1);
    }
    const names: unknown[] = [];
    let next: string | null = '?limit=2';
    while (next !== null) {
      const response = await fetch(`${url}/admin/events${next}`, { headers: ADMIN });
      const page = (await response.json()) as {
        events: { kind: string; detail: { name: string } }[];
        next: string | null;
      };
      assert.ok(page.events.length <= 2);
      names.push(...page.events.map(({ detail }) => detail.name));
      next = page.next;
    }
    assert.deepEqual(names, ['t4', 't3', 't2', 't1', 't0']);
  });

  it('can be followed, and looked through by kind and subject', async (t) => {
    const { url, token, tokens } = await accessServer(t);
    await token({ name: 'a', can: ['read'] });
    const id = (await tokens.list())[0]?.id ?? '';
    const get = async (query: string) => {
      const response = await fetch(`${url}/admin/events${query}`, { headers: ADMIN });
      return (await response.json()) as {
        events: { id: string; kind: string; by: string; address: string | null }[];
        next: string;
      };
    };
    const start = await get('?after=0');
    assert.equal(start.events.length, 1);
    assert.deepEqual((await get(start.next)).events, []);
    await fetch(`${url}/admin/tokens/${id}`, { method: 'DELETE', headers: ADMIN });
    const [seen] = (await get(start.next)).events;
    assert.deepEqual([seen?.kind, seen?.by, seen?.address], ['token-revoked', 'bootstrap', '127.0.0.1']);
    assert.equal((await get('?kind=token-created')).events.length, 1);
    assert.equal((await get(`?subject=token/${id}`)).events.length, 2);
    assert.equal((await get('?subject=token/other')).events.length, 0);
  });

  it('refuses limits that are none', async (t) => {
    const { url } = await accessServer(t);
    for (const limit of ['0', '-1', 'many', '1000', '1e9', '']) {
      const response = await fetch(`${url}/admin/events?limit=${limit}`, { headers: ADMIN });
      assert.equal(response.status, 400, limit);
      await response.body?.cancel();
    }
  });
});
