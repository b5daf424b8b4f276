import { type Request, type Response, Router } from 'express';
import Negotiator from 'negotiator';
import { PROBLEMS, Problem, type ProblemSlug } from '../problem.ts';
import { noteOf } from './problem-notes.ts';

/** `GET /problems/{slug}`: what the `type` of a problem leads to (RFC 9457, section 3.1.1). Text for people, JSON for who asks. */
export function problemRoutes(): Router {
  const router = Router();
  router.get('/problems/', (req: Request, res: Response) => {
    const all = Object.keys(PROBLEMS).map((slug) => problemPage(slug as ProblemSlug));
    send(req, res, { json: { problems: all }, text: all.map(asText).join('\n') });
  });
  router.get('/problems/:slug', (req: Request<{ slug: string }>, res: Response) => {
    const { slug } = req.params;
    if (!Object.hasOwn(PROBLEMS, slug)) throw new Problem('not-found', 'There is no problem of that name.');
    const page = problemPage(slug as ProblemSlug);
    send(req, res, { json: page, text: asText(page) });
  });
  return router;
}

interface ProblemPage {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly meaning?: string;
}

function problemPage(slug: ProblemSlug): ProblemPage {
  const meaning = noteOf(slug);
  return { type: `/problems/${slug}`, ...PROBLEMS[slug], ...(meaning === undefined ? {} : { meaning }) };
}

function asText({ type, title, status, meaning }: ProblemPage): string {
  return `${type.slice(type.lastIndexOf('/') + 1)} (${status}): ${title}\n${meaning === undefined ? '' : `  ${meaning}\n`}`;
}

function send(req: Request, res: Response, { json, text }: { readonly json: object; readonly text: string }): void {
  res.set({ Vary: 'Accept', 'Cache-Control': 'public, max-age=3600' });
  if (new Negotiator(req).mediaType(['text/plain', 'application/json']) === 'application/json') res.json(json);
  else res.type('text/plain; charset=utf-8').send(text);
}
