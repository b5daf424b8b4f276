import { type NextFunction, type Request, type Response, Router } from 'express';
import type { Authorizer } from '../access/authorizer.ts';
import { Problem } from '../problem.ts';
import { announcedHashes } from '../uploads/check-form.ts';
import type { Uploads } from '../uploads/upload.ts';
import { parseIndexPath } from './index-path.ts';
import { type FormOptions, readForm } from './multipart.ts';
import { actorOf, contextOf } from './request-context.ts';

export interface UploadRoutesParts {
  readonly uploads: Uploads;
  readonly access: Authorizer;
  /**
   * The hosted repository that takes the uploads of an index; `undefined` means the default index. Throws `index-not-found`, and
   * `not-hosted` for an index without one.
   */
  readonly repositoryOf: (index: string | undefined) => string;
  /** Answers hatch's question before it uploads: the HTML project page of an index. May throw; hatch does not mind. */
  readonly sendProjectPage: (
    req: Request,
    res: Response,
    asked: { index: string | undefined; project: string },
  ) => Promise<void>;
  readonly spoolDir: string;
  readonly maxFileBytes: number;
  /** Of one field of the form, such as a README. */
  readonly maxFieldBytes: number;
  /** Bytes that can still be stored. */
  readonly spareBytes: () => Promise<number>;
}

// What a form has beside its file.
const FORM_BYTES = 32 * 1024 * 1024;

/**
 * The legacy upload API, as twine and all others speak it: `POST [/index/NAME]/legacy/`, with or without the slash and never
 * redirected, since half of the clients refuse that. Refusals are thrown; they belong into the status line, the body, and JSON
 * for who asks (`sendProblem` in the style `text`).
 */
export function uploadRoutes(parts: UploadRoutesParts): Router {
  const router = Router();
  router.use(async (req: Request, res: Response, next: NextFunction) => {
    const path = req.path.includes('legacy') ? parseIndexPath(req.path) : undefined;
    if (path?.rest[0] !== 'legacy') return next();
    const [, alias, project] = path.rest;
    if (alias === undefined) {
      if (req.method !== 'POST') throw notToRead();
      if (path.view.offline || path.view.at !== undefined) throw notToWrite();
      return await upload(req, res, { ...parts, index: path.index });
    }
    // hatch asks for %2Bsimple before it uploads: devpi's name of the page that installers see.
    const isQuestion = alias === '+simple' && project !== undefined && path.rest.length === 3;
    if (!isQuestion || (req.method !== 'GET' && req.method !== 'HEAD')) return next();
    await parts.sendProjectPage(req, res, { index: path.index, project });
  });
  return router;
}

function notToRead(): Problem {
  const sentence =
    'This is the address to upload to: it takes POST. To install, use the address that ends in /simple/.';
  return new Problem('method-not-allowed', sentence, { headers: { Allow: 'POST' } });
}

function notToWrite(): Problem {
  const sentence = 'This is a view of an index, which takes no uploads: leave out what stands before /legacy/.';
  return new Problem('method-not-allowed', sentence, { headers: { Allow: '' } });
}

async function upload(
  req: Request,
  res: Response,
  parts: UploadRoutesParts & { readonly index: string | undefined },
): Promise<void> {
  const { uploads, access } = parts;
  const { principal } = contextOf(req);
  // The project is not known before the body is read; who may not upload at all need not send it.
  if (!principal.can.includes('upload') && !principal.can.includes('admin')) {
    access.authorize(principal, 'upload', { kind: 'server' });
  }
  const repository = parts.repositoryOf(parts.index);
  await checkLength(req, parts);
  const options: FormOptions = {
    spoolDir: parts.spoolDir,
    maxFileBytes: parts.maxFileBytes,
    maxFieldBytes: parts.maxFieldBytes,
    fileField: 'content',
    wantedHashes: announcedHashes,
  };
  const form = await readForm(req, res, options);
  try {
    const claims = uploads.claims(form.fields, form.filename);
    access.authorize(principal, 'upload', { kind: 'project', name: claims.project });
    const { fields, spooled, hashes } = form;
    const uploadedAt = earlierUpload(fields.get('upload_time')?.[0], () =>
      access.authorize(principal, 'admin', { kind: 'project', name: claims.project }),
    );
    const outcome = await uploads.publish({
      ...{ repository, claims, fields, spooled, hashes, actor: actorOf(req) },
      ...(uploadedAt === undefined ? {} : { uploadedAt }),
    });
    noteAttestations(req, form.fields.has('attestations'));
    sendOk(res, outcome === 'published' ? 'OK\n' : 'OK: this file is here already\n');
  } finally {
    await form.discard();
  }
}

/** The time that a file which moves in from elsewhere brings along (RFC 3339): for admins, since it decides what views of the past show. */
function earlierUpload(text: string | undefined, authorize: () => void): number | undefined {
  if (text === undefined || text === '') return undefined;
  authorize();
  const time = /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  throw new Problem('malformed-request', 'upload_time must be an RFC 3339 time with a zone.');
}

/** Refuses by its announced length what could not be kept anyway. */
async function checkLength(req: Request, { maxFileBytes, spareBytes }: UploadRoutesParts): Promise<void> {
  const length = Number(req.headers['content-length'] ?? 0);
  if (length > maxFileBytes + FORM_BYTES) {
    const sentence = `The upload has ${length} bytes, and files of at most ${maxFileBytes} bytes are taken here.`;
    throw new Problem('payload-too-large', sentence);
  }
  if (length > (await spareBytes())) {
    throw new Problem('storage-full', 'There is no room left for this file; nothing was changed.');
  }
}

function noteAttestations(req: Request, sent: boolean): void {
  if (!sent) return;
  const { id, log } = contextOf(req);
  // PEP 740: an index that takes them must verify them. We announce none, so the file is taken without.
  log.info({ id }, 'attestations were sent with a file and left aside: they are not verified here');
}

function sendOk(res: Response, body: string): void {
  res.writeHead(200, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  res.end(body);
}
