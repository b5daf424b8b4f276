import { createServer } from 'node:http';
import { type AddressInfo, createServer as createNetServer, type Server as NetServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openBlobStore } from '../storage/open.ts';
import { sweepSpools } from '../storage/spool.ts';
import { AuditTrail } from './access/audit-trail.ts';
import { FailedAttempts } from './access/failed-attempts.ts';
import { ensureFirstToken } from './access/first-token.ts';
import { TokenGeneration } from './access/generation.ts';
import { lastUsedTokens } from './access/last-used.ts';
import { TokenAuthorizer } from './access/token-authorizer.ts';
import { Tokens } from './access/tokens.ts';
import { TrustedPublishing } from './access/trusted-publishing.ts';
import { Browse } from './browse/overview.ts';
import { unservedRepositories } from './browse/unserved.ts';
import { holdFolder, ownFolder } from './catalog/hold-folder.ts';
import { LastKnown } from './catalog/last-known.ts';
import { nearReads } from './catalog/near-reads.ts';
import { openCatalog } from './catalog/open.ts';
import { ifWritable, refusingWhenReadOnly } from './catalog/read-only.ts';
import { type Clock, systemClock } from './clock.ts';
import { composeBundles } from './compose-bundles.ts';
import { composeImporting } from './compose-importing.ts';
import { composeJobs } from './compose-jobs.ts';
import { composeMirroring } from './compose-mirroring.ts';
import { composeUploads } from './compose-uploads.ts';
import { composeUpstreams } from './compose-upstreams.ts';
import type { Config } from './config/schema.ts';
import { acceptedJob } from './http/accepted-job.ts';
import { createHttpApp } from './http/app.ts';
import { authenticate } from './http/authenticate.ts';
import { browseRoutes } from './http/browse-routes.ts';
import { closeServer } from './http/close-server.ts';
import { eventRoutes } from './http/event-routes.ts';
import { healthRoutes, metricsRoutes } from './http/health-routes.ts';
import { hotPath } from './http/hot.ts';
import { endIdle, IDLE_MS } from './http/idle-connections.ts';
import { IndexHandler } from './http/index-handler.ts';
import { indexRoutes } from './http/index-routes.ts';
import { LegacyJson } from './http/legacy-json.ts';
import { maintenanceRoutes } from './http/maintenance-routes.ts';
import { oidcRoutes } from './http/oidc-routes.ts';
import { ownAddress } from './http/own-address.ts';
import { refuseUnreadable } from './http/parser-errors.ts';
import { problemRoutes } from './http/problem-routes.ts';
import { readOnlyRoutes } from './http/read-only-routes.ts';
import { RequestsUnderWay } from './http/requests-under-way.ts';
import { ROUTE_KINDS } from './http/route-kind.ts';
import { tokenRoutes } from './http/token-routes.ts';
import { forwardedReader } from './http/trusted-proxy.ts';
import { uiRoutes } from './http/ui-routes.ts';
import { createBlobKeeper } from './keep-blobs.ts';
import { createLogger, type Logger } from './log.ts';
import { Metrics } from './metrics.ts';
import { ReadOnlyMode, refuseUnfinishedCopy } from './moving/read-only-mode.ts';
import { buildReading, type RepositorySetting } from './repository/build.ts';
import { FileUses } from './repository/file-uses.ts';
import { Pages } from './repository/pages.ts';
import { refreshEverywhere } from './repository/refresh-everywhere.ts';
import { RefreshTurns } from './repository/refresh-turns.ts';
import { Downloads } from './upstream/download.ts';
import { proxiesOfEnvironment } from './upstream/proxy.ts';
import type { Upstream } from './upstream/upstream.ts';

/** What a test may put in the place of the real thing. */
export interface Parts {
  readonly clock: Clock;
  /** How far that clock may be from the database's, milliseconds. */
  readonly maxClockSkewMs: number;
  readonly log: Logger;
  readonly version: string;
  /** Variables that name outbound proxies; none unless given. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `PATH` of the environment: where `git` is. */
  readonly path: string | undefined;
  /** Sentences for administrators: shown at `/readyz` and on the front page. */
  readonly warnings: readonly string[];
}

/** A whole server. */
export interface App {
  /** Begins to listen. `firstToken` is the admin token of the very first start, this once. */
  start(): Promise<{ readonly url: string; readonly firstToken?: string }>;
  /** Takes nothing new, lets requests under way finish for as long as the config allows, and lets go of everything. */
  stop(): Promise<void>;
}

// Directly in a folder that nodes share only earlier versions wrote, one of which may still run.
const ABANDONED_MS = 24 * 3_600_000;
const MIGRATIONS = fileURLToPath(new URL('../migrations', import.meta.url));

/** Builds the whole server, top to bottom. Throws what a person who starts it should read. */
export async function compose(config: Config, parts: Partial<Parts> = {}): Promise<App> {
  const clock = parts.clock ?? systemClock;
  const log = parts.log ?? createLogger(config.log);
  const metrics = new Metrics({ withProcess: true, routes: ROUTE_KINDS });
  const version = parts.version ?? 'dev';
  const sharedSpools = join(config.dataDir, 'spool');

  // Nodes may have one file system, and so one folder.
  const held = await (config.catalog.kind === 'sqlite'
    ? holdFolder(config.dataDir, ['spool'])
    : ownFolder(sharedSpools));
  const spoolDir = config.catalog.kind === 'sqlite' ? sharedSpools : held.dir;
  const bare = await openCatalog(config.catalog, {
    ...{ dataDir: config.dataDir, migrationsDir: MIGRATIONS, clock, log },
    ...(parts.maxClockSkewMs === undefined ? {} : { maxClockSkewMs: parts.maxClockSkewMs }),
  });
  await refuseUnfinishedCopy(bare);
  const catalog = refusingWhenReadOnly(bare);
  const readOnly = new ReadOnlyMode({ catalog: bare, clock });
  const blobs = await openBlobStore(
    config.storage.kind === 's3' ? config.storage : { kind: 'disk', dir: join(config.dataDir, 'blobs') },
    {
      spoolDir,
      minFreeBytes: config.limits.minFreeBytes,
      memoryBytes: config.limits.fileCacheBytes,
      cacheDir: join(config.dataDir, 'cache'),
      nowMs: () => clock.nowMs(),
      warn: (message, err) => log.warn({ err }, message),
    },
  );
  await sweepSpools(sharedSpools, config.catalog.kind === 'sqlite' ? undefined : clock.nowMs() - ABANDONED_MS);
  const keeper = createBlobKeeper({ catalog, blobs, clock });

  const upstreams = await composeUpstreams(config, {
    catalog,
    clock,
    log,
    version,
    proxies: proxiesOfEnvironment(parts.environment ?? {}),
  });
  const downloads = new Downloads({
    blobs,
    spoolDir,
    clock,
    log,
    maxBytes: config.limits.spoolBytes,
    maxAtOnce: config.limits.downloads,
    onNotStored: () => metrics.notStored(),
  });
  const isShared = config.catalog.kind === 'postgres';
  const memory = isShared ? new LastKnown({ catalog, clock, log }) : undefined;
  const hot = memory ?? nearReads(catalog);
  const turns = isShared ? new RefreshTurns({ catalog, clock, log }) : undefined;
  if (turns !== undefined) await ifWritable(turns.sweep());
  const uses = new FileUses({
    catalog,
    clock,
    onFailure: (error) => log.warn({ err: error }, 'when files were last used could not be written'),
  });
  const reading = buildReading(
    { repositories: repositorySettings(config, upstreams), indexes: new Map(Object.entries(config.indexes)) },
    {
      catalog,
      blobs,
      keeper,
      downloads,
      clock,
      log,
      spoolDir,
      maxFiles: config.limits.pageFiles,
      hot,
      uses,
      ...(turns && { turns }),
    },
  );
  const main = reading.indexes.get(config.defaultIndex);
  if (main === undefined) throw new Error(`there is no index ${config.defaultIndex}`);
  const index = (name: string | undefined) => (name === undefined ? main : reading.indexes.get(name));

  const mirroring = await composeMirroring(config, {
    ...{ catalog, blobs, keeper, clock, log, spoolDir, version, index },
    proxies: proxiesOfEnvironment(parts.environment ?? {}),
    path: parts.path,
  });
  const importing = composeImporting(config, {
    ...{ catalog, blobs, keeper, clock, log, spoolDir, version },
    proxies: proxiesOfEnvironment(parts.environment ?? {}),
  });

  const failedAttempts = new FailedAttempts({ attempts: config.access.failuresPerMinute });
  const generation = new TokenGeneration(isShared ? { read: () => hot.tokenGeneration() } : {});
  const lastUsed = lastUsedTokens({
    catalog,
    clock,
    onFailure: (error) => log.warn({ err: error }, 'when tokens were last used could not be written'),
  });
  const access = new TokenAuthorizer({
    catalog,
    clock,
    generation,
    lastUsed,
    failedAttempts,
    anonymous: config.access.anonymous,
    ...(config.bootstrapToken === undefined ? {} : { bootstrapToken: config.bootstrapToken }),
  });
  const tokens = new Tokens({ catalog, clock, generation });
  const publishing = new TrustedPublishing(config.oidc, { catalog, clock, failedAttempts, generation });
  const applications = composeBundles(config, { catalog, blobs, keeper, access, clock, log, spoolDir });
  const work = composeJobs(config, {
    ...{ catalog, blobs, clock, log, reading, uses, metrics },
    locks: mirroring.handlers,
    imports: importing.handlers,
    bundles: applications.handlers,
  });

  const browse = new Browse({
    catalog,
    clock,
    repositories: Object.keys(config.repositories),
    cacheLimit: config.limits.cacheBytes,
    upstreams: [...upstreams.values()],
  });
  watchUpstreams(metrics, upstreams);
  const isPublic = config.access.anonymous.includes('read');
  const forwarded = forwardedReader(config.trustProxy);
  const originOf = ownAddress(config, forwarded);
  const accepted = acceptedJob(work.jobs, originOf);
  const pages = new Pages({ maxBytes: config.limits.pageCacheBytes });
  const handler = new IndexHandler({ pages, access, isPublic });
  const requests = new RequestsUnderWay();
  const warnings = parts.warnings ?? [];
  const http = createHttpApp({
    clock,
    log,
    metrics,
    requests,
    addressOf: (req) => forwarded(req).address,
    hot: hotPath({ handler, access, index: main }),
    open: [
      healthRoutes({
        browse,
        blobs,
        warnings,
        readOnly,
        pingCatalog: async () => {
          await hot.tokenGeneration();
          hot.certain();
        },
        isStopping: () => requests.isStopping,
        log,
        spareBytes: config.storage.kind === 'disk' ? () => blobs.spareBytes() : undefined,
      }),
    ],
    authenticate: authenticate({ access }),
    routers: [
      oidcRoutes({ publishing }),
      metricsRoutes({ metrics, access }),
      tokenRoutes({ tokens, access }),
      eventRoutes({ audit: new AuditTrail({ catalog }), access }),
      ...applications.routers,
      ...composeUploads(config, { catalog, blobs, keeper, access, clock, spoolDir, handler, index }).routers,
      maintenanceRoutes({ jobs: work.jobs, access, accepted }),
      ...mirroring.routers({ jobs: work.jobs, access, accepted, originOf }),
      ...importing.routers({ jobs: work.jobs, access, accepted }),
      readOnlyRoutes({ mode: readOnly, access }),
      problemRoutes(),
      browseRoutes({ browse, metrics, access, index, refresh: (name) => refreshEverywhere(reading, name) }),
      indexRoutes({ handler, legacyJson: new LegacyJson({ access, clock, isPublic, originOf }), index }),
      uiRoutes({ access, browse, version, originOf, warnings }),
    ],
  });

  // Without Host it is refused by us, so that the answer is one of ours.
  // Most requests have no body: nothing then waits for the end of one, which is a tenth of what a short answer costs.
  const server = createServer({ requireHostHeader: false, optimizeEmptyRequests: true }, http);
  server.on('clientError', refuseUnreadable({ log, answersOn: (socket) => requests.on(socket) }));
  // RFC 9110, 10.1.1: what else a client expects may be passed over.
  server.on('checkExpectation', http);
  server.keepAliveTimeout = 65_000;
  // Large bodies take longer than Node's five minutes; who sends nothing is cut off as idle.
  server.requestTimeout = 0;
  server.setTimeout(
    IDLE_MS,
    endIdle((socket) => requests.on(socket)),
  );
  return {
    start: async () => {
      await checkAddress(config);
      const firstToken =
        config.bootstrapToken === undefined
          ? await ensureFirstToken({ catalog, clock, dataDir: config.dataDir })
          : undefined;
      for (const unserved of await unservedRepositories(catalog, Object.keys(config.repositories)))
        log.warn(unserved, 'files of a repository that the configuration does not name are kept, and not served');
      for (const upstream of upstreams.values()) upstream.start();
      memory?.start();
      lastUsed.start();
      uses.start();
      await work.start();
      const url = await listen(server, config);
      log.info({ url }, 'listening');
      return { url, ...(firstToken === undefined ? {} : { firstToken }) };
    },
    stop: async () => {
      mirroring.endStreams();
      applications.endWaiting();
      const { stopDelay: delayMs, stopGrace: graceMs } = config.limits;
      await closeServer(server, { requests, clock, delayMs, graceMs });
      await work.stop();
      await applications.close();
      await mirroring.close();
      await downloads.stop();
      turns?.stop();
      // Together: pages that nobody waits for any more are not waited for here.
      await Promise.all([reading.stop(), ...Array.from(upstreams.values(), (upstream) => upstream.stop())]);
      await lastUsed.stop();
      await uses.stop();
      await memory?.stop();
      await blobs.close();
      await catalog.close();
      await held.letGo();
      log.info('stopped');
    },
  };
}

function repositorySettings(config: Config, upstreams: ReadonlyMap<string, Upstream>): Map<string, RepositorySetting> {
  const settings = new Map<string, RepositorySetting>();
  for (const [name, repository] of Object.entries(config.repositories)) {
    const upstream = upstreams.get(name);
    if (repository.kind === 'hosted') settings.set(name, { kind: 'hosted' });
    else if (upstream !== undefined) {
      settings.set(name, {
        kind: 'upstream',
        upstream,
        patienceMs: repository.staleAfter,
        timeoutMs: repository.timeout,
        freshForMs: repository.freshFor,
        confirmForMs: repository.confirmFor,
      });
    }
  }
  return settings;
}

function watchUpstreams(metrics: Metrics, upstreams: ReadonlyMap<string, Upstream>): void {
  metrics.gauge(
    'stormcellar_upstream_up',
    '1 while the upstream answers, 0 while it does not.',
    ['upstream'],
    (gauge) => {
      for (const [name, upstream] of upstreams)
        gauge.set({ upstream: name }, upstream.health().state === 'open' ? 0 : 1);
    },
  );
}

/** Throws where `listen` would, before anything is made that is shown once. */
async function checkAddress(config: Config): Promise<void> {
  const server = createNetServer();
  await listen(server, config);
  await new Promise((resolve) => server.close(resolve));
}

async function listen(server: NetServer, { listen: { host, port } }: Config): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address() as AddressInfo;
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return `http://${name}:${address.port}`;
}
