import { join } from 'node:path';
import type { Request, Router } from 'express';
import type { BlobStore } from '../storage/blob-store.ts';
import type { Authorizer } from './access/authorizer.ts';
import type { BlobKeeper } from './blob-keeper.ts';
import type { Catalog } from './catalog/catalog.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config/schema.ts';
import type { AcceptedJob } from './http/accepted-job.ts';
import { jobRoutes } from './http/job-routes.ts';
import { lockRoutes } from './http/lock-routes.ts';
import { mirrorRoutes } from './http/mirror-routes.ts';
import { sourceRoutes } from './http/source-routes.ts';
import type { Jobs } from './jobs/jobs.ts';
import { type LockHandlers, lockHandlers } from './jobs/lock-handlers.ts';
import type { Logger } from './log.ts';
import { BuildRequires } from './mirroring/build-requires.ts';
import { Drill } from './mirroring/drill.ts';
import { KeptLocks } from './mirroring/kept-locks.ts';
import { LockOrders } from './mirroring/lock-orders.ts';
import { LockRewriter } from './mirroring/lock-rewriter.ts';
import { Mirror } from './mirroring/mirror.ts';
import { AllowedHosts } from './mirroring/source-fetch/allowed-hosts.ts';
import { GitSources } from './mirroring/source-fetch/git-sources.ts';
import { fetchProblem, SourceWeb } from './mirroring/source-fetch/source-web.ts';
import { Sources } from './mirroring/source-fetch/sources.ts';
import { SourceShelf } from './mirroring/source-shelf.ts';
import type { FirstMatch } from './repository/first-match.ts';
import type { ProxySettings } from './upstream/proxy.ts';

/** Locks: mirrored, drilled, kept. */
export interface ComposedMirroring {
  readonly handlers: LockHandlers;
  /** Beside the other authenticated ones. */
  routers(parts: {
    readonly jobs: Jobs;
    readonly access: Authorizer;
    readonly accepted: AcceptedJob;
    readonly originOf: (req: Request) => string;
  }): readonly Router[];
  /** Ends streams that would last as long as a job. */
  endStreams(): void;
  /** To be called when no job is under way any more. */
  close(): Promise<void>;
}

// Where `git` is looked for when nobody says: the folders of every system that we know.
const PATH = '/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin:/usr/local/git/bin';

/** Everything of mirroring: services, their jobs and their routes. */
export async function composeMirroring(
  config: Config,
  parts: {
    readonly catalog: Catalog;
    readonly blobs: BlobStore;
    readonly keeper: BlobKeeper;
    readonly clock: Clock;
    readonly log: Logger;
    readonly spoolDir: string;
    readonly version: string;
    readonly proxies: ProxySettings;
    readonly index: (name: string | undefined) => FirstMatch | undefined;
    /** `PATH` of the environment. */
    readonly path?: string | undefined;
  },
): Promise<ComposedMirroring> {
  const { catalog, blobs, clock, log, spoolDir, proxies, index } = parts;
  const { timeout: timeoutMs, maxBytes, allowHosts } = config.fetch;
  const hosts = new AllowedHosts(allowHosts);
  const web = new SourceWeb({ hosts, clock, proxies, timeoutMs, userAgent: `stormcellar/${parts.version}` });
  const git = new GitSources({
    ...{ clock, hosts, web, proxies, spoolDir, timeoutMs, maxBytes },
    path: parts.path ?? PATH,
    workDir: join(config.dataDir, 'git'),
    maxEntries: config.limits.archiveEntries,
  });
  await git.sweep();
  const sources = new Sources({ ...parts, web, git, maxBytes });
  const buildRequires = new BuildRequires({ catalog, blobs, spoolDir });
  const mirror = new Mirror({ sources, buildRequires, log, atOnce: config.jobs.mirrorFetches });
  const drill = new Drill({ catalog, blobs, clock, buildRequires });
  const checkAddress = (url: string) =>
    hosts.check(new URL(url)).catch((error) => {
      throw fetchProblem(new URL(url), error);
    });
  const orders = new LockOrders({ catalog, clock, drill, index, checkAddress });
  const rewriter = new LockRewriter({
    catalog,
    orders,
    defaultIndex: config.defaultIndex,
    upstreamUrl: upstreamUrlOf(config),
  });
  const maxLockBytes = config.limits.lockBytes;
  const fetchText = (url: string, signal: AbortSignal) => web.text(url, { signal, maxBytes: maxLockBytes });
  const closing = new AbortController();
  return {
    handlers: lockHandlers({ catalog, clock, orders, mirror, fetchText, notify: config.notify }),
    routers: ({ jobs, access, accepted, originOf }) => [
      mirrorRoutes({ orders, rewriter, jobs, access, accepted, originOf, maxLockBytes }),
      jobRoutes({ jobs, access, closing: closing.signal }),
      lockRoutes({ locks: new KeptLocks({ catalog, clock }), access }),
      sourceRoutes({
        shelf: new SourceShelf({ catalog, blobs }),
        access,
        isPublic: config.access.anonymous.includes('read'),
      }),
    ],
    endStreams: () => closing.abort(),
    close: () => web.close(),
  };
}

function upstreamUrlOf({ repositories }: Config): (name: string) => string | undefined {
  return (name) => {
    const repository = repositories[name];
    return repository?.kind === 'upstream' && repository.url !== 'auto' ? repository.url : undefined;
  };
}
