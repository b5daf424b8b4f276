import { json, type Request, Router } from 'express';
import { z } from 'zod';
import { parseDigest } from '../../storage/digest.ts';
import type { Authorizer } from '../access/authorizer.ts';
import type { Imports } from '../importing/imports.ts';
import type { SentFiles } from '../importing/sent-files.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { Problem } from '../problem.ts';
import type { AcceptedJob } from './accepted-job.ts';
import { actorOf, contextOf } from './request-context.ts';
import { orAbsent, validated } from './validate.ts';
import { wholeBodyOf } from './whole-body.ts';

const address = z.url({ protocol: /^https?$/ }).max(2000);
const fileName = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[^\p{Cc}/\\]*$/u, { error: 'Expected a file name without a folder' });
const login = z.strictObject({ username: z.string().max(200), password: z.string().max(10_000) });
const into = { index: orAbsent(z.string().max(100)) };
const named = {
  projects: orAbsent(z.array(z.string().max(300)).max(10_000)),
  credentials: orAbsent(login),
  ...into,
};

const announced = z.strictObject({
  filename: fileName,
  sha256: z
    .string()
    .transform((text, context) => parseDigest(text) ?? context.addIssue('Expected 64 hexadecimal digits') ?? z.NEVER),
  project: orAbsent(z.string().max(300)),
  size: orAbsent(z.int().min(0)),
  uploadTime: orAbsent(z.iso.datetime({ offset: true })),
});

const MOST_FILES = 50_000;
// A long file name, a digest and a time, each with its key.
const BODY_BYTES = MOST_FILES * 512;

const order = z.union([
  z.strictObject({ simple: address, ...named }),
  z.strictObject({ devpi: address, ...named }),
  z.strictObject({ files: z.array(announced).min(1).max(MOST_FILES), ...into }),
]);

type OfFile = Request<{ id: string; filename: string }>;

/**
 * `POST /admin/import`: move another index in (`{simple}` or `{devpi}`, an address), or files that the caller has (`{files}`), as a job. The latter
 * are then sent one by one: `PUT /admin/import/{id}/files/{filename}`.
 */
export function importRoutes(parts: {
  readonly imports: Imports;
  readonly sent: SentFiles;
  readonly jobs: Jobs;
  readonly access: Authorizer;
  readonly accepted: AcceptedJob;
  /** The hosted repository of an index. Throws `index-not-found`, `not-hosted`. */
  readonly repositoryOf: (index: string | undefined) => string;
  /** Of one file. */
  readonly maxFileBytes: number;
}): Router {
  const { imports, sent, jobs, access, accepted, repositoryOf, maxFileBytes } = parts;
  const router = Router();
  // Before any body is read.
  router.use('/admin/import', (req, res, next) => {
    access.authorize(contextOf(req).principal, 'admin', { kind: 'server' });
    res.set('Cache-Control', 'no-store');
    next();
  });
  router.post('/admin/import', json({ limit: BODY_BYTES, type: () => true }), async (req, res) => {
    const wanted = validatedOrder(req.body);
    const repository = repositoryOf(wanted.index);
    const actor = actorOf(req);
    let id: string;
    if ('files' in wanted) id = await sent.open(repository, wanted.files, actor);
    else {
      const [from, url] =
        'simple' in wanted ? (['simple', wanted.simple] as const) : (['devpi', wanted.devpi] as const);
      const { projects = [], credentials } = wanted;
      const source = { from, url: new URL(url), repository, projects };
      id = await imports.order(credentials === undefined ? source : { ...source, login: credentials }, actor);
      jobs.wake();
    }
    await accepted(res, id);
  });
  router.put('/admin/import/:id/files/:filename', async (req: OfFile, res) => {
    const { id, filename } = req.params;
    await jobs.get(id);
    const { body, length } = wholeBodyOf(req, { what: 'file', maxBytes: maxFileBytes });
    const state = await sent.receive(id, filename, { body, length, actor: actorOf(req) });
    res.status(state === 'stored' ? 201 : 200).json({ filename, state });
  });
  return router;
}

/** Which of the three it is, is told by its key: so that a fault is told of that one. */
function validatedOrder(body: unknown): z.infer<typeof order> {
  const keys = ['simple', 'devpi', 'files'] as const;
  const given = typeof body === 'object' && body !== null ? keys.filter((key) => key in body) : [];
  const [only] = given;
  if (only === undefined || given.length > 1)
    throw new Problem(
      'malformed-request',
      'Give one of "simple" (an address), "devpi" (an address) and "files" (a list).',
    );
  const schema = order.options[keys.indexOf(only)];
  if (schema === undefined) throw new Error(`no schema for ${only}`);
  return validated(schema as z.ZodType<z.infer<typeof order>>, body);
}
