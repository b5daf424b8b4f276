import type { Router } from 'express';
import type { BlobStore } from '../storage/blob-store.ts';
import type { Authorizer } from './access/authorizer.ts';
import type { BlobKeeper } from './blob-keeper.ts';
import type { Catalog } from './catalog/catalog.ts';
import type { Clock } from './clock.ts';
import { hostedRepositoryOf, uploadsOf } from './compose-uploads.ts';
import { userAgentOf } from './compose-upstreams.ts';
import type { Config } from './config/schema.ts';
import type { AcceptedJob } from './http/accepted-job.ts';
import { importRoutes } from './http/import-routes.ts';
import { Imports } from './importing/imports.ts';
import { SentFiles } from './importing/sent-files.ts';
import { type ImportHandlers, importHandlers } from './jobs/import-handlers.ts';
import type { Jobs } from './jobs/jobs.ts';
import type { Logger } from './log.ts';
import { DEFAULT_RULES } from './uploads/upload-rules.ts';
import type { ProxySettings } from './upstream/proxy.ts';

/** Moving packages in from elsewhere. */
export interface ComposedImporting {
  readonly handlers: ImportHandlers;
  /** Beside the other authenticated ones. */
  routers(parts: {
    readonly jobs: Jobs;
    readonly access: Authorizer;
    readonly accepted: AcceptedJob;
  }): readonly Router[];
}

/** Everything of imports: services, their jobs and their routes. */
export function composeImporting(
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
  },
): ComposedImporting {
  const { catalog, blobs, clock, log, spoolDir, proxies } = parts;
  const { limits, contact } = config;
  // What was published elsewhere cannot be built again, so it is taken however strict uploads are.
  const uploads = uploadsOf(config, parts, { ...DEFAULT_RULES, unrecordedFiles: true });
  const common = {
    ...{ catalog, clock, log, spoolDir, proxies },
    maxBytes: limits.uploadBytes,
    publish: uploads.publishNamed.bind(uploads),
  };
  const imports = new Imports({
    ...common,
    userAgent: userAgentOf(parts.version, contact),
    allowHosts: config.import.allowHosts,
    atOnce: config.jobs.mirrorFetches,
  });
  return {
    handlers: importHandlers({ imports, catalog }),
    routers: ({ jobs, access, accepted }) => {
      const sent = new SentFiles({
        ...common,
        spareBytes: () => blobs.spareBytes(),
        wake: () => jobs.wake(),
        changed: (id) => jobs.changed(id),
      });
      return [
        importRoutes({
          ...{ imports, sent, jobs, access, accepted },
          repositoryOf: (name) => hostedRepositoryOf(config, name ?? config.defaultIndex),
          maxFileBytes: limits.uploadBytes,
        }),
      ];
    },
  };
}
