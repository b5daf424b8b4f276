import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Authorizer } from '../access/authorizer.ts';
import type { ProjectName } from '../model/project-name.ts';
import type { FirstMatch } from '../repository/first-match.ts';
import type { IndexHandler, IndexRequest } from './index-handler.ts';
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
  // Without a promise: to wait for what is there costs more than to send it.
  const isAnsweredNow = (req: IncomingMessage, res: ServerResponse, asked: IndexRequest): boolean => {
    const principal = access.known(req.headers.authorization);
    if (principal === undefined) return false;
    contextOf(req).principal = principal;
    try {
      return handler.pageNow(req, res, asked);
    } catch (error) {
      sendProblem(req, res, error, { style: 'text' });
      return true;
    }
  };
  return (req, res) => {
    if (req.method !== 'GET' && req.method !== 'HEAD') return false;
    const match = PLAIN.exec(req.url ?? '');
    if (match === null) return false;
    const asked = { index, view: VIEW, name: match[1] as ProjectName };
    const filename = match[2];
    if (filename === undefined && isAnsweredNow(req, res, asked)) return true;
    const answer = async (): Promise<void> => {
      const context = contextOf(req);
      const { authorization } = req.headers;
      const seeing = index.see(asked.name, filename);
      const identified = access.known(authorization) ?? access.identify(authorization, context.address);
      // Asked for together, both are one read. What is seen is told to nobody who may not know it.
      const [principal, seen] = await (seeing === undefined ? [await identified] : Promise.all([identified, seeing]));
      context.principal = principal;
      const look = seen === undefined ? asked : { ...asked, view: { ...VIEW, seen } };
      await (filename === undefined ? handler.page(req, res, look) : handler.file(req, res, look, filename));
    };
    answer().catch((error: unknown) => sendProblem(req, res, error, { style: 'text' }));
    return true;
  };
}
