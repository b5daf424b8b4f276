import { type Request, type Response, Router } from 'express';
import type { BlobStore } from '../../storage/blob-store.ts';
import { parseDigest } from '../../storage/digest.ts';
import type { Authorizer } from '../access/authorizer.ts';
import { type Bundles, knownContents } from '../bundles/bundles.ts';
import { CYCLONEDX_TYPE, cycloneDx } from '../bundles/sbom.ts';
import { type BundleVersion, parseAppName, parseBundleFilename, parseBundleVersionText } from '../model/bundle.ts';
import { projectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import { storedFile } from '../repository/stored-file.ts';
import { one, parseLimit, parseReference, plussed } from './bundle-request.ts';
import { appView, channelView, holderView, lockView, summaryView, versionView } from './bundle-views.ts';
import { reprDigest } from './digest-headers.ts';
import { contextOf } from './request-context.ts';
import { sendFile } from './send-file.ts';

export interface BundleRouteParts {
  readonly bundles: Bundles;
  readonly access: Authorizer;
  readonly blobs: BlobStore;
  /** Anybody may read, so shared caches may keep archives. */
  readonly isPublic: boolean;
}

type OfVersion = Request<{ app: string; reference: string }>;

const MAX_APPS = 200;
const MAX_VERSIONS = 500;

/** Reading bundles: `/bundles/…`, archives included. */
export function bundleRoutes({ bundles, access, blobs, isPublic }: BundleRouteParts): Router {
  // A file may be named LOCK.
  const router = Router({ caseSensitive: true });
  const mayRead = (req: Request, name: string) =>
    access.authorize(contextOf(req).principal, 'read', { kind: 'app', name });

  router.use('/bundles', (_req, res, next) => {
    res.set('Cache-Control', isPublic ? 'no-cache' : 'private, no-cache').set('X-Content-Type-Options', 'nosniff');
    next();
  });

  router.get('/bundles', async (req, res) => {
    const { principal } = contextOf(req);
    // Only a token that is limited to some applications sees a part of the list.
    if (principal.apps === undefined) access.authorize(principal, 'read', { kind: 'server' });
    const isReadable = (name: string) => isAllowed(() => mayRead(req, name));
    if (req.query.contains !== undefined || req.query.sha256 !== undefined) {
      const found = await search(bundles, req);
      res.json({ found: found.filter(({ app }) => isReadable(app)).map(holderView) });
      return;
    }
    const limit = parseLimit(req.query.limit, MAX_APPS);
    const apps = await bundles.apps({ after: one(req.query.after) ?? '', limit });
    const last = apps.at(-1);
    const next = last && apps.length === limit ? `?after=${encodeURIComponent(last.name)}` : null;
    res.json({ bundles: apps.filter(({ name }) => isReadable(name)).map(summaryView), next });
  });

  router.get('/bundles/:app', async (req, res) => {
    mayRead(req, req.params.app);
    const after = plussed(req.query.after);
    const limit = parseLimit(req.query.limit, MAX_VERSIONS);
    const page = { limit, after: after === undefined ? undefined : parseBundleVersionText(after) };
    res.json(appView(await bundles.app(parseAppName(req.params.app), page)));
  });

  router.get('/bundles/:app/diff', async (req, res) => {
    mayRead(req, req.params.app);
    const from = plussed(req.query.from);
    const to = plussed(req.query.to);
    if (from === undefined || to === undefined) {
      throw new Problem('malformed-request', 'Two versions are needed: ?from=A&to=B, each a version or @channel.');
    }
    const outcome = await bundles.diff(parseAppName(req.params.app), {
      from: parseReference(from),
      to: parseReference(to),
    });
    res.json({ from: side(outcome.from), to: side(outcome.to), ...outcome.diff });
  });

  router.get('/bundles/:app/:reference', async (req, res) => {
    const { app, reference } = req.params;
    mayRead(req, app);
    const name = parseAppName(app);
    const parsed = parseReference(reference);
    const { version, movedAt } = await bundles.pointer(name, parsed);
    if ('channel' in parsed) res.json(channelView(parsed.channel, version, movedAt));
    else {
      const lock = lockView(await bundles.lock(version));
      res.json({ ...versionView(version, await bundles.channelsAt(version)), lock });
    }
  });

  /** The version that an address names, for who may read it. */
  const named = async (req: OfVersion): Promise<{ version: BundleVersion; isFixed: boolean }> => {
    const { app, reference } = req.params;
    mayRead(req, app);
    const parsed = parseReference(reference);
    return { version: await bundles.resolve(parseAppName(app), parsed), isFixed: 'version' in parsed };
  };

  // No file is ever stored under one of these words; each is an address of its own, so that `Allow` says what it takes.
  router.get('/bundles/:app/:reference/sbom', async (req: OfVersion, res) => {
    await sendSbom(bundles, (await named(req)).version, res);
  });

  router.get('/bundles/:app/:reference/sha256', async (req: OfVersion, res) => {
    const { version } = await named(req);
    // As `sha256sum -c` reads it.
    res.type('text/plain').send(`${version.digest}  ${version.filename}\n`);
  });

  router.get('/bundles/:app/:reference/lock', async (req: OfVersion, res) => {
    await sendLock(bundles, (await named(req)).version, res);
  });

  router.get('/bundles/:app/:reference/download', async (req: OfVersion, res) => {
    await send(req, res, await named(req));
  });

  router.get('/bundles/:app/:reference/:filename', async (req: OfVersion & Request<{ filename: string }>, res) => {
    const { version, isFixed } = await named(req);
    if (parseBundleFilename(req.params.filename) !== version.filename) {
      throw new Problem('file-not-found', `Version ${version.version} of ${version.app} has no file of this name.`);
    }
    await send(req, res, { version, isFixed });
  });

  async function send(
    req: Request,
    res: Response,
    { version, isFixed }: { readonly version: BundleVersion; readonly isFixed: boolean },
  ): Promise<void> {
    const { digest, size, filename, contentType } = version;
    const file = storedFile(blobs, {
      ...{ digest, size, filename, contentType },
      modifiedAt: version.createdAt,
      origin: { outcome: 'hit', detail: 'bundle' },
      whenLost: async () => {
        throw new Problem('storage-unavailable', 'The bytes of this version are missing in the storage.');
      },
    });
    // Where the store lets clients fetch the bytes themselves, a channel does not: its answer says which version it is.
    const direct = isFixed ? file : { ...file, locate: async () => undefined };
    await sendFile(req, res, direct, {
      isPublic,
      // A channel moves; its bytes are asked for anew each time, and 304 tells that it did not.
      ...(isFixed ? {} : { cacheControl: isPublic ? 'no-cache, no-transform' : 'private, no-cache, no-transform' }),
      headers: {
        'Repr-Digest': reprDigest(digest),
        'X-Checksum-Sha256': digest,
        'Content-Disposition': `attachment; filename="${filename}"`,
        // Relative, so that it holds under any prefix.
        'Content-Location': `../${encodeURIComponent(version.version)}/${encodeURIComponent(filename)}`,
        'X-Stormcellar-Version': version.version,
      },
    });
  }
  return router;
}

async function search(bundles: Bundles, req: Request) {
  const contains = one(req.query.contains);
  const sha256 = one(req.query.sha256);
  if (contains !== undefined && sha256 === undefined) {
    const [, said = '', version] = /^([^=\s]+)(?:\s*={2,3}\s*([^=\s]+(?: [^=\s]+)?))?$/.exec(contains.trim()) ?? [];
    const name = projectName(said);
    if (name === undefined) throw new Problem('malformed-request', 'Expected ?contains=NAME==VERSION, or NAME alone.');
    return await bundles.containing({ name, version: plussed(version) });
  }
  const digest = contains === undefined && sha256 !== undefined ? parseDigest(sha256) : undefined;
  if (digest === undefined) {
    throw new Problem('malformed-request', 'Expected ?contains=NAME==VERSION, or ?sha256= and 64 hexadecimal digits.');
  }
  return await bundles.withDigest(digest);
}

async function sendSbom(bundles: Bundles, { app, version: number }: BundleVersion, res: Response): Promise<void> {
  const { version } = await bundles.pointer(app, { version: number });
  res.type(CYCLONEDX_TYPE).send(JSON.stringify(cycloneDx(version, knownContents(version))));
}

async function sendLock(bundles: Bundles, version: BundleVersion, res: Response): Promise<void> {
  const lock = await bundles.lock(version);
  if (lock === undefined) {
    throw new Problem('not-found', `No lock was sent along with version ${version.version} of ${version.app}.`);
  }
  res.set('Content-Disposition', `attachment; filename="${lock.name}"`).set('X-Checksum-Sha256', lock.digest);
  res.type('text/plain; charset=utf-8').send(lock.body);
}

function side({ version, digest, commit, tag }: BundleVersion): Record<string, unknown> {
  return { version, sha256: digest, commit: commit ?? null, tag: tag ?? null };
}

function isAllowed(ask: () => void): boolean {
  try {
    ask();
    return true;
  } catch (error) {
    if (error instanceof Problem && error.status < 500) return false;
    throw error;
  }
}
