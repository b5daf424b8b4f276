import type { IncomingMessage, ServerResponse } from 'node:http';
import Negotiator from 'negotiator';
import { problemOf } from '../failure.ts';
import type { Problem, ProblemSlug } from '../problem.ts';
import { answerBeforeBody, isBodyPending } from './drain.ts';
import { contextOf } from './request-context.ts';
import { forLog, pathOf } from './request-log.ts';

/** `text`: index and upload routes, for pip and twine. `problem+json`: everything else (RFC 9457). */
export type ProblemStyle = 'text' | 'problem+json';

// What a handler may have set for the answer that did not come about.
const ENTITY_HEADERS = [
  'Content-Length',
  'Content-Encoding',
  'Content-Disposition',
  'Content-Location',
  'Content-Range',
  'Accept-Ranges',
  'ETag',
  'Last-Modified',
  'Repr-Digest',
];

/**
 * Answers with whatever was thrown, and logs it: the only place in the HTTP layer that does. Unknown errors are `internal`. After
 * the first byte has gone out it destroys the connection, so that a short body never passes for the whole. A request body that
 * nobody has read is drained up to a limit, then the connection ends. Never throws.
 */
export function sendProblem(
  req: IncomingMessage,
  res: ServerResponse,
  thrown: unknown,
  options: { readonly style: ProblemStyle },
): void {
  const problem = problemOf(thrown);
  const status = statusFor(req, problem);
  logProblem(req, res, { problem, status });
  if (res.headersSent || res.destroyed) {
    res.destroy();
    return;
  }
  const { id } = contextOf(req);
  for (const name of ENTITY_HEADERS) res.removeHeader(name);
  res.statusCode = status;
  res.setHeader('X-Request-Id', id);
  res.setHeader('X-Content-Type-Options', 'nosniff');
  res.setHeader('Cache-Control', 'no-store');
  if (status === 401) res.setHeader('WWW-Authenticate', 'Basic realm="stormcellar", charset="UTF-8"');
  if (problem.retryAfter !== undefined) res.setHeader('Retry-After', Math.max(1, Math.ceil(problem.retryAfter)));
  for (const [name, value] of Object.entries(problem.headers)) res.setHeader(name, value);
  const { type, body } = options.style === 'text' ? asText(req, res, problem) : asDocument(problem, id);
  res.setHeader('Content-Type', type);
  res.setHeader('Content-Length', Buffer.byteLength(body));
  if (isBodyPending(req)) answerBeforeBody(req, res, body);
  else res.end(req.method === 'HEAD' ? undefined : body);
}

/**
 * A sentence as every client can read it in a status line, where twine, hatch and pdm look for it: ASCII (Node would send the rest as
 * UTF-8 or refuse it), no control characters, at most 200 characters. HTTP/1.1 only; the body says the same.
 */
export function reasonPhrase(sentence: string): string {
  const plain = sentence
    .replace(/[\u2010-\u2015]/g, '-')
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '');
  const clean = plain.replace(/\p{Cc}+/gu, ' ').replace(/[^\x20-\x7e]/gu, '?');
  return clean.length > 200 ? `${clean.slice(0, 197)}...` : clean;
}

/**
 * pip repeats what was answered with 502 or 503 five times, without a word, and then tells the number alone. A file that
 * cannot be had for as long as the outage lasts is 504 to it: that it shows at once, with the reason in the status line.
 */
function statusFor(req: IncomingMessage, problem: Problem): number {
  return problem.slug === 'not-stored' && /^pip\//.test(req.headers['user-agent'] ?? '') ? 504 : problem.status;
}

function asText(req: IncomingMessage, res: ServerResponse, problem: Problem): { type: string; body: string } {
  const sentence = `${problem.title}: ${problem.detail}`;
  res.statusMessage = reasonPhrase(sentence);
  res.setHeader('Vary', 'Accept');
  const offered = ['text/plain', 'application/json', 'application/problem+json'];
  const type = new Negotiator(req).mediaType(offered);
  if (type === 'application/problem+json') return asDocument(problem, contextOf(req).id);
  if (type === 'application/json') {
    // uv compares the header as a whole: a charset would make it print the raw JSON. It shows `code` only.
    const body = { message: sentence, code: `${problem.status} ${sentence}`, title: problem.title };
    return { type, body: JSON.stringify(body) };
  }
  return { type: 'text/plain; charset=utf-8', body: `${sentence}\n` };
}

function asDocument(problem: Problem, instance: string): { type: string; body: string } {
  return { type: 'application/problem+json', body: problemDocument(problem, instance) };
}

/** A problem as RFC 9457 has it, of type `application/problem+json`; `instance` is the request's id. */
export function problemDocument(problem: Problem, instance: string): string {
  const { slug, title, status, detail } = problem;
  return JSON.stringify({ ...problem.members, type: `/problems/${slug}`, title, status, detail, instance });
}

// Not ours, and many at once while an upstream is down or this server stops.
const EXPECTED: ReadonlySet<ProblemSlug> = new Set([
  'not-stored',
  'upstream-unavailable',
  'earlier-index-unavailable',
  'upstream-timeout',
  'upstream-mismatch',
  'stopping',
]);

function logProblem(
  req: IncomingMessage,
  res: ServerResponse,
  { problem, status }: { problem: Problem; status: number },
): void {
  const { id, log } = contextOf(req);
  const fields = {
    id,
    method: req.method,
    path: forLog(pathOf(req)),
    status,
    problem: problem.slug,
    detail: forLog(problem.detail),
  };
  if (problem.status < 500) log.info(fields, 'request refused');
  else if (res.destroyed || req.socket.destroyed)
    log.info({ ...fields, err: problem.cause }, 'request failed after the client had gone');
  else if (EXPECTED.has(problem.slug)) log.warn({ ...fields, err: problem.cause }, 'request failed');
  else log.error({ ...fields, err: problem.cause ?? problem }, 'request failed');
}
