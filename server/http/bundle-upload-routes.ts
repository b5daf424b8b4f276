import { type Request, type Response, Router } from 'express';
import type { Authorizer } from '../access/authorizer.ts';
import type { Bundles } from '../bundles/bundles.ts';
import type { Published, PublishOrder } from '../bundles/publish.ts';
import { parseAppName, parseBundleFilename, parseBundleVersionText } from '../model/bundle.ts';
import { Problem } from '../problem.ts';
import { fieldOf, formWords, putWords, type UploadWords } from './bundle-request.ts';
import { moveView, versionView } from './bundle-views.ts';
import { announcedDigest, reprDigest } from './digest-headers.ts';
import { type FormFields, readForm } from './multipart.ts';
import { actorOf, contextOf } from './request-context.ts';
import { wholeBodyOf } from './whole-body.ts';

export interface BundleUploadParts {
  readonly bundles: Bundles;
  readonly access: Authorizer;
  readonly spoolDir: string;
  /** Largest archive. */
  readonly maxBytes: number;
  /** Largest lock. */
  readonly maxLockBytes: number;
}

/** Publishing bundles: `PUT /bundles/{app}/{version}/{filename}` and `POST /bundles/{app}`. */
export function bundleUploadRoutes(parts: BundleUploadParts): Router {
  const { bundles, access, spoolDir, maxBytes, maxLockBytes } = parts;
  const router = Router({ caseSensitive: true });

  function authorize(req: Request, name: string, words?: UploadWords): void {
    const { principal } = contextOf(req);
    access.authorize(principal, 'bundle', { kind: 'app', name });
    if (words?.force === true) access.authorize(principal, 'admin', { kind: 'app', name });
  }

  router.put('/bundles/:app/:version/:filename', async (req, res, next) => {
    const { app, version, filename } = req.params;
    // `channels` is no version: its own route follows.
    if (version === 'channels') return next();
    authorize(req, app);
    const words = putWords(req);
    authorize(req, app, words);
    const order: PublishOrder = {
      app: parseAppName(app),
      version: parseBundleVersionText(version),
      filename: parseBundleFilename(filename),
      ...words,
      actor: actorOf(req),
    };
    const expected = announcedDigest(req.headers);
    const { body, length } = wholeBodyOf(req, { what: 'archive', maxBytes });
    await bundles.check(order);
    answer(res, await bundles.upload(order, body, { expected, length }), filename);
  });

  router.post('/bundles/:app', async (req, res) => {
    const { app } = req.params;
    authorize(req, app);
    const name = parseAppName(app);
    const expected = announcedDigest(req.headers);
    await bundles.checkRoom(lengthOf(req));
    const form = await readForm(req, res, {
      spoolDir,
      maxFileBytes: maxBytes,
      fileField: 'content',
      textFields: ['lock'],
      wantedHashes: () => [],
    });
    try {
      const words = formWords(form.fields);
      authorize(req, app, words);
      const version = fieldOf(form.fields, 'version');
      if (version === undefined) throw new Problem('malformed-request', 'The form has no field "version".');
      const order: PublishOrder = {
        app: name,
        version: parseBundleVersionText(version),
        filename: parseBundleFilename(form.filename),
        ...words,
        lock: lockOf(form.fields, maxLockBytes),
        actor: actorOf(req),
      };
      if (form.spooled.size === 0) throw new Problem('malformed-request', 'The file is empty.');
      const announced = fieldOf(form.fields, 'sha256')?.trim().toLowerCase() ?? expected;
      if (announced !== undefined && announced !== form.spooled.digest) {
        throw new Problem(
          'digest-mismatch',
          `The bytes have sha256 ${form.spooled.digest}, not what was announced; nothing was stored.`,
        );
      }
      const base = req.path.endsWith('/') ? '' : `${encodeURIComponent(app)}/`;
      const published = await bundles.publish(order, form.spooled);
      answer(res, published, `${base}${encodeURIComponent(version)}/${encodeURIComponent(order.filename)}`);
    } finally {
      await form.discard();
    }
  });
  return router;
}

function answer(res: Response, { version, outcome, move }: Published, location: string): void {
  res.status(outcome === 'created' ? 201 : 200);
  res.set('Location', location).set('Repr-Digest', reprDigest(version.digest));
  res.json({
    ...versionView(version),
    created: outcome === 'created',
    move: move === undefined ? null : moveView(move),
  });
}

function lengthOf(req: Request): number {
  return Number(req.headers['content-length'] ?? 0);
}

function lockOf(fields: FormFields, maxBytes: number): PublishOrder['lock'] {
  const body = fieldOf(fields, 'lock');
  if (body === undefined || body === '') return undefined;
  if (Buffer.byteLength(body) > maxBytes) {
    throw new Problem('payload-too-large', `The lock is larger than the limit of ${maxBytes} bytes.`);
  }
  if (body.includes('\0')) throw new Problem('malformed-request', 'The lock is not a text.');
  const name = fieldOf(fields, 'lockName') ?? fieldOf(fields, 'lock.filename') ?? 'requirements.txt';
  return { name: parseBundleFilename(name), body };
}
