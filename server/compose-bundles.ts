import type { BlobStore } from '../storage/blob-store.ts';
import type { Authorizer } from './access/authorizer.ts';
import type { BlobKeeper } from './blob-keeper.ts';
import { ArchiveReader } from './bundles/archive-reader.ts';
import { Bundles } from './bundles/bundles.ts';
import { type LockedRelease, type LockReader, readRequirementPins } from './bundles/lock-compare.ts';
import { readStored } from './bundles/read-stored.ts';
import { Readings } from './bundles/readings.ts';
import { giveUpContents } from './catalog/bundle-contents.ts';
import type { Catalog } from './catalog/catalog.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config/schema.ts';
import { bundleRoutes } from './http/bundle-routes.ts';
import { bundleUploadRoutes } from './http/bundle-upload-routes.ts';
import { channelRoutes } from './http/channel-routes.ts';
import { JobStopped } from './jobs/job-run.ts';
import type { JobHandlers } from './jobs/runner.ts';
import type { Logger } from './log.ts';
import { lockFormat, readLock } from './mirroring/lock-formats.ts';
import { Problem } from './problem.ts';

export interface ComposedBundles {
  readonly bundles: Bundles;
  /** In order; beside the other authenticated routers. */
  readonly routers: readonly ReturnType<typeof bundleRoutes>[];
  /** To be given to the job runner. */
  readonly handlers: Pick<JobHandlers, 'read-archive'>;
  /** Requests no longer wait for contents that are being read; for a server that is to stop. */
  endWaiting(): void;
  /** Ends the thread that reads archives; to be called when no request and no job is under way any more. */
  close(): Promise<void>;
}

// One small archive takes milliseconds; what takes thirty seconds is no archive of an application.
const READING_TIMEOUT_MS = 30_000;
const MAX_DISTRIBUTIONS = 10_000;

/** Everything of bundles: the service and its routes. */
export function composeBundles(
  config: Config,
  parts: {
    readonly catalog: Catalog;
    readonly blobs: BlobStore;
    readonly keeper: BlobKeeper;
    readonly access: Authorizer;
    readonly clock: Clock;
    readonly log: Logger;
    readonly spoolDir: string;
  },
): ComposedBundles {
  const { catalog, blobs, keeper, access, clock, log, spoolDir } = parts;
  const { limits } = config;
  const reader = new ArchiveReader({
    caps: {
      maxMembers: limits.archiveEntries,
      maxExpandedBytes: limits.archiveBytes,
      maxDistributions: MAX_DISTRIBUTIONS,
    },
    timeoutMs: READING_TIMEOUT_MS,
    log,
    nowMs: () => clock.nowMs(),
  });
  const readings = new Readings({ catalog, log });
  const bundles = new Bundles({
    ...{ catalog, keeper, clock, reader, readings, spoolDir },
    maxBytes: limits.uploadBytes,
    spareBytes: () => blobs.spareBytes(),
    rules: {
      unreadable: config.bundles.unreadable,
      contentsWaitMs: config.bundles.contentsWait,
      channels: config.channels,
      retention: config.retention,
    },
    readLock: pinsOf,
  });
  const isPublic = config.access.anonymous.includes('read');
  return {
    bundles,
    // Channels first: their addresses would pass for versions.
    routers: [
      channelRoutes({ bundles, access }),
      bundleUploadRoutes({ bundles, access, spoolDir, maxBytes: limits.uploadBytes, maxLockBytes: limits.lockBytes }),
      bundleRoutes({ bundles, access, blobs, isPublic }),
    ],
    handlers: {
      'read-archive': async ({ input, signal }) => {
        try {
          return { ...(await readStored({ catalog, blobs, reader, readings, spoolDir }, input, signal)) };
        } catch (error) {
          const isCancelled = error instanceof JobStopped && error.why === 'cancelled';
          if (isCancelled) await catalog.write(() => giveUpContents(input));
          throw error;
        }
      },
    },
    endWaiting: () => readings.endWaiting(),
    close: async () => {
      await reader.close();
      await readings.close();
    },
  };
}

/** The pins of a lock in any format that can be mirrored; a file of another name is read like requirements.txt. */
const pinsOf: LockReader = (name, content) => {
  const format = lockFormat(name);
  if (format === undefined) return readRequirementPins(name, content);
  try {
    return readLock({ name, content }).entries.flatMap(
      ({ project, version = null, source, isConstraint }): LockedRelease[] =>
        project === undefined || source.kind === 'local' || isConstraint ? [] : [{ name: project, version }],
    );
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    // It may refer to files that were not sent along: what it pins itself is still worth comparing.
    return format === 'requirements-txt' ? readRequirementPins(name, content) : undefined;
  }
};
