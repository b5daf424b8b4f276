import { type NextFunction, type Request, type Response, Router } from 'express';
import { distributionOf, safeFilename } from '../model/filename.ts';
import { parseProjectName, projectName } from '../model/project-name.ts';
import { versionKey } from '../model/version.ts';
import { Problem } from '../problem.ts';
import type { FirstMatch } from '../repository/first-match.ts';
import type { IndexHandler } from './index-handler.ts';
import { type IndexPath, parseIndexPath } from './index-path.ts';
import type { LegacyJson } from './legacy-json.ts';

export interface IndexRoutesParts {
  readonly handler: IndexHandler;
  readonly legacyJson: LegacyJson;
  /** The index of that name, or the default one. */
  readonly index: (name: string | undefined) => FirstMatch | undefined;
}

/** `V/simple/…`, the legacy JSON API and provenance, where `V` is `[/index/NAME][/at/INSTANT][/offline]`. */
export function indexRoutes(parts: IndexRoutesParts): Router {
  const router = Router();
  router.use(async (req: Request, res: Response, next: NextFunction) => {
    const path = parseIndexPath(req.path);
    const route = routeOf(path);
    if (route === undefined) return next();
    parts.handler.allowBrowsers(res);
    const index = parts.index(path.index);
    if (index === undefined) throw new Problem('index-not-found', 'There is no index of that name.');
    allowReading(req, res);
    if (req.method === 'OPTIONS') return;
    await route(parts, { req, res, index, path });
  });
  return router;
}

interface Asked {
  readonly req: Request;
  readonly res: Response;
  readonly index: FirstMatch;
  readonly path: IndexPath;
}
type Route = (parts: IndexRoutesParts, asked: Asked) => Promise<void> | void;

function routeOf({ rest }: IndexPath): Route | undefined {
  const [first, , last] = rest;
  if (first === 'simple' && rest.length <= 3) return simple;
  if (first === 'pypi' && (rest.length === 3 || rest.length === 4) && rest.at(-1) === 'json') return legacyJson;
  if (first === 'integrity' && rest.length === 5 && rest[4] === 'provenance') return provenance;
  if (rest.length === 2 && rest[1] === 'json' && last === undefined) return legacyJsonAlias;
  return undefined;
}

function simple({ handler }: IndexRoutesParts, { req, res, index, path }: Asked): Promise<void> | void {
  const [, project, filename] = path.rest;
  const format = formatOf(req);
  if (project === undefined) {
    if (!path.endsInSlash) return redirect(req, res, 'simple/');
    return handler.list(req, res, { index, view: path.view }, format);
  }
  const name = parseProjectName(project);
  if (filename === undefined) {
    if (name !== project || !path.endsInSlash) return redirect(req, res, path.endsInSlash ? `../${name}/` : `${name}/`);
    return handler.page(req, res, { index, view: path.view, name }, format);
  }
  // Such a name is on no page: upstream need not be asked for it.
  if (path.endsInSlash || safeFilename(filename) === undefined)
    throw new Problem('file-not-found', 'There is no file of that name.');
  if (name !== project) return redirect(req, res, `../${name}/${encodeURIComponent(filename)}`);
  return handler.file(req, res, { index, view: path.view, name }, filename);
}

async function legacyJson({ legacyJson: json }: IndexRoutesParts, { req, res, index, path }: Asked): Promise<void> {
  const [, project = '', second = ''] = path.rest;
  const name = parseProjectName(project);
  const version = path.rest.length === 4 ? second : undefined;
  if (name !== project || path.endsInSlash) {
    // from …/pypi/Foo/json or …/pypi/Foo/1.0/json, with or without a slash behind it
    const up = '../'.repeat(path.rest.length - 2 + (path.endsInSlash ? 1 : 0));
    return redirect(req, res, `${up}${name}/${version === undefined ? '' : `${encodeURIComponent(version)}/`}json`);
  }
  await json.send(req, res, { index, view: path.view, name, version });
}

async function legacyJsonAlias(parts: IndexRoutesParts, { req, res, index, path }: Asked): Promise<void> {
  const name = projectName(path.rest[0] ?? '');
  if (name === undefined) throw new Problem('not-found', 'There is nothing at this address.');
  await parts.legacyJson.send(req, res, { index, view: path.view, name, version: undefined });
}

async function provenance({ handler }: IndexRoutesParts, { req, res, index, path }: Asked): Promise<void> {
  const [, project = '', version = '', filename = ''] = path.rest;
  const name = parseProjectName(project);
  if (versionKey(distributionOf(filename, name).version ?? '') !== versionKey(version)) {
    throw new Problem('file-not-found', 'There is no such file of that version.');
  }
  await handler.provenance(req, res, { index, view: path.view, name }, filename);
}

/** GET and HEAD; OPTIONS is answered here, for programs in browsers that want ranges (CORS). Throws `method-not-allowed`. */
function allowReading(req: Request, res: Response): void {
  if (req.method === 'GET' || req.method === 'HEAD') return;
  if (req.method === 'OPTIONS') {
    res.writeHead(204, {
      Allow: 'GET, HEAD, OPTIONS',
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Allow-Methods': 'GET, HEAD, OPTIONS',
      'Access-Control-Allow-Headers': 'Range, If-None-Match, Authorization',
      'Access-Control-Max-Age': '86400',
    });
    res.end();
    return;
  }
  throw new Problem('method-not-allowed', 'This address is for reading (GET, HEAD); uploads go to /legacy/.', {
    headers: { Allow: 'GET, HEAD, OPTIONS' },
  });
}

/** Always relative, so that it holds behind any prefix and host; the query goes along (PEP 691 `?format=`). */
function redirect(req: Request, res: Response, location: string): void {
  const query = req.url.indexOf('?');
  res.writeHead(301, {
    Location: query === -1 ? location : `${location}${req.url.slice(query)}`,
    'Cache-Control': 'no-cache',
    Vary: 'Accept',
    'Content-Length': 0,
  });
  res.end();
}

function formatOf(req: Request): string | undefined {
  const { format } = req.query;
  return typeof format === 'string' ? format : undefined;
}
