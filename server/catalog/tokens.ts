import { ACTIONS, type Action, type Grant } from '../model/access.ts';
import { all, first, prepared, run, type Script } from './catalog.ts';
import { sql } from './schema.ts';

/** A token as it is kept; times in ms since 1970. Its secret is known by its SHA-256 only. */
export interface TokenRecord extends Grant {
  /** Sorts by the time it was made. */
  readonly id: string;
  readonly name: string;
  readonly kind: 'token' | 'trusted-publisher';
  readonly createdAt: number;
  readonly createdBy: string;
  readonly expiresAt?: number;
  readonly lastUsedAt?: number;
}

const COLUMNS = [
  'id',
  'name',
  'kind',
  'can',
  'projects',
  'apps',
  'created_at',
  'created_by',
  'expires_at',
  'last_used_at',
] as const;

const FIRST_TOKEN = 'first-token-at';

const byHash = prepared((p: { hash: string }) =>
  sql.selectFrom('token').select(COLUMNS).where('secret_hash', '=', p.hash),
);
const generation = prepared(() => sql.selectFrom('access_state').select('value').where('name', '=', 'generation'));
const markUsed = prepared((p: { id: string; at: number }) =>
  sql
    .updateTable('token')
    .set({ last_used_at: p.at })
    .where('id', '=', p.id)
    .where((eb) => eb.or([eb('last_used_at', 'is', null), eb('last_used_at', '<', p.at)])),
);

/** The token with this hash of its secret, expired or not; `undefined` when there is none. */
export function* findTokenByHash(hash: string): Script<TokenRecord | undefined> {
  const row = yield* first(byHash({ hash }));
  return row && toRecord(row);
}

/** Tokens in the order in which they were made, after the one with the id `after`. */
export function* listTokens(page: { after?: string; limit: number }): Script<readonly TokenRecord[]> {
  let statement = sql.selectFrom('token').select(COLUMNS).orderBy('id').limit(page.limit);
  if (page.after !== undefined) statement = statement.where('id', '>', page.after);
  return (yield* all(statement)).map(toRecord);
}

/** Keeps a new token. */
export function* insertToken(token: TokenRecord, secretHash: string): Script<void> {
  yield* run(
    sql.insertInto('token').values({
      id: token.id,
      secret_hash: secretHash,
      name: token.name,
      kind: token.kind,
      can: JSON.stringify(token.can),
      projects: token.projects ? JSON.stringify(token.projects) : null,
      apps: token.apps ? JSON.stringify(token.apps) : null,
      created_at: token.createdAt,
      created_by: token.createdBy,
      expires_at: token.expiresAt ?? null,
      last_used_at: null,
    }),
  );
}

/** Removes a token and begins a new generation, so that no node goes on believing it. Answers what was removed, if anything. */
export function* deleteToken(id: string): Script<TokenRecord | undefined> {
  const row = yield* first(sql.selectFrom('token').select(COLUMNS).where('id', '=', id));
  if (row === undefined || (yield* run(sql.deleteFrom('token').where('id', '=', id))) === 0) return undefined;
  yield* run(
    sql
      .updateTable('access_state')
      .set((eb) => ({ value: eb('value', '+', 1) }))
      .where('name', '=', 'generation'),
  );
  return toRecord(row);
}

/** The present generation: what is remembered of a token is good for one generation. One indexed read. */
export function* tokenGeneration(): Script<number> {
  const row = yield* first(generation({}));
  if (row === undefined) throw new Error('access_state has no generation');
  return row.value;
}

/** Notes when tokens were last used; an older time never replaces a newer one. */
export function* markTokensUsed(uses: Iterable<readonly [id: string, at: number]>): Script<void> {
  for (const [id, at] of uses) yield* run(markUsed({ id, at }));
}

/** Has this catalog never held a token? */
export function* firstTokenIsDue(): Script<boolean> {
  if ((yield* first(sql.selectFrom('token').select('id').limit(1))) !== undefined) return false;
  return (yield* first(sql.selectFrom('access_state').select('name').where('name', '=', FIRST_TOKEN))) === undefined;
}

/** Claims the right to make the very first token: true once in the life of a catalog, and only while it holds no token. */
export function* claimFirstToken(now: number): Script<boolean> {
  if (!(yield* firstTokenIsDue())) return false;
  const claim = sql
    .insertInto('access_state')
    .values({ name: FIRST_TOKEN, value: now })
    .onConflict((c) => c.column('name').doNothing());
  return (yield* run(claim)) === 1;
}

/**
 * Notes that an identity token was exchanged, until `forgetAt`. False when it had been already: of two at once, one is told so.
 * Sweeps up what may be forgotten.
 */
export function* claimIdentity(id: string, forgetAt: number, now: number): Script<boolean> {
  yield* run(sql.deleteFrom('oidc_seen').where('forget_at', '<', now));
  const claim = sql
    .insertInto('oidc_seen')
    .values({ id, forget_at: forgetAt })
    .onConflict((c) => c.column('id').doNothing());
  return (yield* run(claim)) === 1;
}

/** Removes the short-lived tokens of trusted publishers that expired before `before`. They were dead already. */
export function* sweepPublisherTokens(before: number): Script<void> {
  yield* run(sql.deleteFrom('token').where('kind', '=', 'trusted-publisher').where('expires_at', '<', before));
}

interface TokenRow {
  id: string;
  name: string;
  kind: string;
  can: string;
  projects: string | null;
  apps: string | null;
  created_at: number;
  created_by: string;
  expires_at: number | null;
  last_used_at: number | null;
}

function toRecord(row: TokenRow): TokenRecord {
  return {
    id: row.id,
    name: row.name,
    kind: row.kind === 'trusted-publisher' ? 'trusted-publisher' : 'token',
    can: texts(row.can).filter(isAction),
    ...(row.projects === null ? {} : { projects: texts(row.projects) }),
    ...(row.apps === null ? {} : { apps: texts(row.apps) }),
    createdAt: row.created_at,
    createdBy: row.created_by,
    ...(row.expires_at === null ? {} : { expiresAt: row.expires_at }),
    ...(row.last_used_at === null ? {} : { lastUsedAt: row.last_used_at }),
  };
}

function texts(json: string): readonly string[] {
  return JSON.parse(json) as string[];
}

function isAction(text: string): text is Action {
  return (ACTIONS as readonly string[]).includes(text);
}
