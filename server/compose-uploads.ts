import type { Router } from 'express';
import type { BlobStore } from '../storage/blob-store.ts';
import type { Authorizer } from './access/authorizer.ts';
import type { BlobKeeper } from './blob-keeper.ts';
import type { Catalog } from './catalog/catalog.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config/schema.ts';
import type { IndexHandler } from './http/index-handler.ts';
import { projectAdminRoutes } from './http/project-admin-routes.ts';
import { uploadRoutes } from './http/upload-routes.ts';
import { parseProjectName } from './model/project-name.ts';
import { Problem } from './problem.ts';
import type { FirstMatch } from './repository/first-match.ts';
import { ProjectAdmin } from './uploads/manage.ts';
import { Uploads } from './uploads/upload.ts';
import type { UploadRules } from './uploads/upload-rules.ts';

/** Everything of uploads: the services and their routes. The routers belong beside the other authenticated ones. */
export function composeUploads(
  config: Config,
  parts: {
    readonly catalog: Catalog;
    readonly blobs: BlobStore;
    readonly keeper: BlobKeeper;
    readonly access: Authorizer;
    readonly clock: Clock;
    readonly spoolDir: string;
    readonly handler: IndexHandler;
    readonly index: (name: string | undefined) => FirstMatch | undefined;
  },
): { readonly routers: readonly Router[] } {
  const { catalog, blobs, access, clock, spoolDir, handler, index } = parts;
  const { limits } = config;
  const uploads = uploadsOf(config, parts, config.uploads);
  const kinds = Object.entries(config.repositories).map(([name, { kind }]) => [name, kind] as const);
  const admin = new ProjectAdmin({ catalog, clock, repositories: new Map(kinds) });
  return {
    routers: [
      projectAdminRoutes({ admin, access }),
      uploadRoutes({
        uploads,
        access,
        spoolDir,
        repositoryOf: (name) => hostedRepositoryOf(config, name ?? config.defaultIndex),
        sendProjectPage: async (req, res, asked) => {
          const found = index(asked.index);
          if (found === undefined) throw indexNotFound();
          const name = parseProjectName(asked.project);
          await handler.page(req, res, { index: found, view: { offline: false }, name }, 'text/html');
        },
        maxFileBytes: limits.uploadBytes,
        maxFieldBytes: limits.metadataBytes,
        spareBytes: () => blobs.spareBytes(),
      }),
    ],
  };
}

/** The one way in, with these rules and the configuration's bounds. */
export function uploadsOf(
  { limits }: Config,
  parts: {
    readonly catalog: Catalog;
    readonly keeper: BlobKeeper;
    readonly clock: Clock;
    readonly spoolDir: string;
  },
  rules: Partial<UploadRules>,
): Uploads {
  const { catalog, keeper, clock, spoolDir } = parts;
  const bounds = {
    maxMembers: limits.archiveEntries,
    maxExpandedBytes: limits.archiveBytes,
    maxMetadataBytes: limits.metadataBytes,
  };
  return new Uploads({ catalog, keeper, clock, spoolDir, rules: { ...rules, ...bounds } });
}

/** The first hosted repository of an index takes its uploads. Throws `index-not-found`, `not-hosted`. */
export function hostedRepositoryOf(config: Config, name: string): string {
  const index = Object.hasOwn(config.indexes, name) ? config.indexes[name] : undefined;
  if (index === undefined) throw indexNotFound();
  const hosted = index.repositories.find((repository) => config.repositories[repository]?.kind === 'hosted');
  if (hosted !== undefined) return hosted;
  throw new Problem('not-hosted', `The index ${name} has no hosted repository, so it takes no uploads.`);
}

function indexNotFound(): Problem {
  return new Problem('index-not-found', 'There is no index of that name.');
}
