import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Authorizer } from '../access/authorizer.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import type { FirstMatch } from '../repository/first-match.ts';
import type { IndexHandler } from './index-handler.ts';
import { sendProblem } from './problem-response.ts';
import { contextOf } from './request-context.ts';

// A normalised name (PEP 503) and a file name with nothing to decode but what wheels have; everything else goes the long way.
const PLAIN = /^\/simple\/([a-z0-9](?:-?[a-z0-9]){0,213})\/([A-Za-z0-9][A-Za-z0-9._+!-]{0,250})?$/;
const VIEW = { offline: false } as const;

/**
 * Answers what is asked most, in front of Express, whose routing costs ten times the answer: a page or file of the default index,
 * by its plain address. Answers `false`, having done nothing, for everything else. Both
 * ways end in `IndexHandler`, so they give the same answers.
 */
export function hotPath(parts: {
  readonly handler: IndexHandler;
  readonly access: Authorizer;
  readonly index: FirstMatch;
}): (req: IncomingMessage, res: ServerResponse) => boolean {
  const { handler, access, index } = parts;
  const answer = async (req: IncomingMessage, res: ServerResponse, { name, filename }: Asked): Promise<void> => {
    const context = contextOf(req);
    const { authorization } = req.headers;
    const seen = await index.see(name, filename);
    // What is seen is told to nobody who may not know it.
    const known = access.known(authorization, seen?.generation);
    context.principal = known ?? (await access.identify(authorization, context.address));
    const request = { index, name, view: seen === undefined ? VIEW : { ...VIEW, seen } };
    if (filename !== undefined) await handler.file(req, res, request, filename);
    else if (seen === undefined || !handler.pageNow(req, res, request)) await handler.page(req, res, request);
  };
  const refuse = (req: IncomingMessage, res: ServerResponse, error: unknown): void => {
    // As Express has it: whoever cannot be identified has not reached the index.
    if (!(error instanceof Problem) || error.status !== 401) handler.allowBrowsers(res);
    sendProblem(req, res, error, { style: 'text' });
  };
  return (req, res) => {
    if (req.method !== 'GET' && req.method !== 'HEAD') return false;
    const match = PLAIN.exec(req.url ?? '');
    if (match === null) return false;
    const name = match[1] as ProjectName;
    const filename = match[2];
    const context = contextOf(req);
    context.route = filename === undefined ? 'page' : 'file';
    try {
      const principal = access.known(req.headers.authorization);
      if (principal !== undefined) {
        context.principal = principal;
        // Without a promise: to wait for what is there costs more than to send it.
        if (filename !== undefined) access.authorize(principal, 'read', { kind: 'project', name });
        else if (handler.pageNow(req, res, { index, view: VIEW, name })) return true;
      }
    } catch (error) {
      refuse(req, res, error);
      return true;
    }
    answer(req, res, { name, filename }).catch((error: unknown) => refuse(req, res, error));
    return true;
  };
}

interface Asked {
  readonly name: ProjectName;
  readonly filename: string | undefined;
}
