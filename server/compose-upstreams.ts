import { readFile } from 'node:fs/promises';
import type { Catalog } from './catalog/catalog.ts';
import { ifWritable } from './catalog/read-only.ts';
import type { UpstreamStateTable } from './catalog/tables/projects.ts';
import { findUpstreamState, saveUpstreamState, shareUpstreamState } from './catalog/upstream-state.ts';
import type { Clock } from './clock.ts';
import type { Config, UpstreamConfig } from './config/schema.ts';
import type { Logger } from './log.ts';
import { HttpUpstream } from './upstream/http-upstream.ts';
import { NoUpstream } from './upstream/no-upstream.ts';
import type { ProxySettings } from './upstream/proxy.ts';
import type { SavedHealth } from './upstream/saved-health.ts';
import type { BreakerState, Upstream } from './upstream/upstream.ts';

/** How soon a node knows what another has found of an upstream. */
const FOLLOW_EVERY_MS = 1_000;

export interface UpstreamParts {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly log: Logger;
  readonly version: string;
  /** Outbound proxies of the environment. */
  readonly proxies: ProxySettings;
}

/** Every configured upstream, in the condition that was saved last. Throws when a file that the configuration names cannot be read. */
export async function composeUpstreams(config: Config, parts: UpstreamParts): Promise<Map<string, Upstream>> {
  const upstreams = new Map<string, Upstream>();
  for (const [name, repository] of Object.entries(config.repositories)) {
    if (repository.kind === 'hosted') continue;
    const upstream =
      repository.url === 'auto' ? await unknown(name, parts) : await open(name, repository, { config, parts });
    upstreams.set(name, upstream);
  }
  return upstreams;
}

/** Since when it is not known is kept as well: every node and every start say the same. */
async function unknown(name: string, { catalog, clock }: UpstreamParts): Promise<Upstream> {
  const kept = await catalog.read(() => findUpstreamState(name));
  if (kept?.state === 'open') return new NoUpstream(name, kept.since);
  const now = clock.nowMs();
  await ifWritable(catalog.write(() => saveUpstreamState(rowOf(name, { state: 'open', since: now, epoch: now }))));
  return new NoUpstream(name, now);
}

async function open(
  name: string,
  repository: UpstreamConfig,
  { config, parts }: { config: Config; parts: UpstreamParts },
): Promise<Upstream> {
  const { catalog, clock, log, version } = parts;
  const isShared = config.catalog.kind === 'postgres';
  const save = isShared ? shareUpstreamState : saveUpstreamState;
  const contact = config.contact ?? config.publicUrl;
  const proxies = proxiesOf(repository.proxy, parts.proxies);
  return HttpUpstream.open({
    name,
    url: new URL(repository.url),
    fallbacks: repository.fallbacks.map(fallbackUrl),
    timeoutMs: repository.timeout,
    connectTimeoutMs: repository.connectTimeout,
    idleTimeoutMs: repository.idleTimeout,
    pageMaxBytes: config.limits.pageBytes,
    maxConnections: repository.connections,
    retries: repository.retries,
    failuresToOpen: repository.failuresToOpen,
    probeEveryMs: repository.probeEvery,
    userAgent: userAgentOf(version, contact),
    proxies,
    clock,
    log,
    ...(repository.username === null
      ? {}
      : { credentials: { username: repository.username, password: repository.password ?? '' } }),
    ...(repository.caFile === null ? {} : { ca: await readFile(repository.caFile, 'utf8') }),
    loadState: async () => savedHealth(await catalog.read(() => findUpstreamState(name))),
    saveState: (health) => catalog.write(() => save(rowOf(name, health))),
    ...(isShared ? { followEveryMs: FOLLOW_EVERY_MS } : {}),
  });
}

function proxiesOf(setting: string, environment: ProxySettings): ProxySettings {
  if (setting === 'environment') return environment;
  return setting === 'none' ? {} : { https: setting, http: setting };
}

function fallbackUrl(fallback: UpstreamConfig['fallbacks'][number]): URL {
  const url = new URL(fallback.url);
  if (fallback.username !== null) url.username = encodeURIComponent(fallback.username);
  if (fallback.password !== null) url.password = encodeURIComponent(fallback.password);
  return url;
}

function rowOf(repository: string, health: SavedHealth): UpstreamStateTable {
  return {
    repository,
    state: health.state,
    since: health.since,
    epoch: health.epoch,
    last_success_at: health.lastSuccessAt ?? null,
    last_failure_at: health.lastFailureAt ?? null,
    last_error: health.lastError ?? null,
  };
}

function savedHealth(row: UpstreamStateTable | undefined): SavedHealth | undefined {
  // Down without ever having failed: it had no address, which says nothing of the one that it has now.
  if (row === undefined || (row.state === 'open' && row.last_failure_at === null)) return undefined;
  return {
    state: row.state as BreakerState,
    since: row.since,
    epoch: row.epoch,
    ...(row.last_success_at === null ? {} : { lastSuccessAt: row.last_success_at }),
    ...(row.last_failure_at === null ? {} : { lastFailureAt: row.last_failure_at }),
    ...(row.last_error === null ? {} : { lastError: row.last_error }),
  };
}

/** What indexes are told of who asks: name, version, and whom to write to when it asks too much. */
export function userAgentOf(version: string, contact: string | null): string {
  // A header has room for ASCII alone.
  const ascii = contact?.toWellFormed().replace(/[^\x20-\x7e]/gu, encodeURIComponent);
  return `stormcellar/${version}${ascii === undefined ? '' : ` (${ascii})`}`;
}
