import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { LRUCache } from 'lru-cache';
import type { Authorizer } from '../access/authorizer.ts';
import type { Principal } from '../model/access.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import type { FirstMatch } from '../repository/first-match.ts';
import type { Pages } from '../repository/pages.ts';
import type { Look, PageState } from '../repository/repository.ts';
import { type Negotiated, negotiate } from '../simple/negotiate.ts';
import { renderProjectList } from '../simple/render-list.ts';
import { contextOf } from './request-context.ts';
import { sendFile } from './send-file.ts';
import { sendPage } from './send-page.ts';

export interface IndexHandlerParts {
  readonly pages: Pages;
  readonly access: Authorizer;
  /** Anybody may read, so shared caches may keep files. */
  readonly isPublic: boolean;
}

// As the public index says it: a program that asks for a part has to see which it was given.
const FOR_BROWSERS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': 'Content-Length, Content-Range, Accept-Ranges',
} as const;

/** What is asked of an index. */
export interface IndexRequest {
  readonly index: FirstMatch;
  readonly view: Look;
  readonly name: ProjectName;
}

/** Answers for project pages and files: the one place, whether a request came by the hot path or through Express. */
export class IndexHandler {
  readonly #pages: Pages;
  readonly #access: Authorizer;
  readonly #isPublic: boolean;
  /** By `Accept` header: a few clients send always the same ones. */
  readonly #negotiated = new LRUCache<string, Negotiated>({ max: 100 });
  /** Installers ask many times in a row with the same one. */
  #last = { accept: '*/*', negotiated: negotiate('*/*') };

  constructor({ pages, access, isPublic }: IndexHandlerParts) {
    this.#pages = pages;
    this.#access = access;
    this.#isPublic = isPublic;
  }

  /** Lets programs in browsers see what is answered, refusals as well (CORS), where anybody may: one that finds no project looks elsewhere. */
  allowBrowsers(res: ServerResponse): void {
    if (this.#isPublic && !res.headersSent) res.setHeader('Access-Control-Allow-Origin', '*');
  }

  /** Answers with the project page when all of it is at hand; `false`: nothing was done. Throws what `authorize` throws. */
  pageNow(req: IncomingMessage, res: ServerResponse, { index, view, name }: IndexRequest): boolean {
    this.#authorize(req, name);
    const state = index.stateNow(name, view);
    if (state === undefined) return false;
    const { format, contentType } = this.#negotiate(single(req.headers.accept));
    const page = this.#pages.ready(index, { name, view: viewFor(req, view, state), format, state });
    if (page === undefined) return false;
    sendPage(req, res, page, { contentType, state, isPublic: this.#isPublic });
    return true;
  }

  /** The project page. Throws `project-not-found`, and what the index throws. */
  async page(
    req: IncomingMessage,
    res: ServerResponse,
    { index, view, name }: IndexRequest,
    format?: string,
  ): Promise<void> {
    this.#authorize(req, name);
    const { format: wanted, contentType } = negotiate(single(req.headers.accept), format);
    const state = await index.state(name, view);
    if (state === undefined) throw projectNotFound(name);
    const page = await this.#pages.get(index, { name, view: viewFor(req, view, state), format: wanted, state });
    if (page === undefined) throw projectNotFound(name);
    sendPage(req, res, page, { contentType, state, isPublic: this.#isPublic });
  }

  /** A distribution file or core metadata. Throws `project-not-found`, and what the index throws. */
  async file(
    req: IncomingMessage,
    res: ServerResponse,
    { index, view, name }: IndexRequest,
    filename: string,
  ): Promise<void> {
    this.#authorize(req, name);
    const file = await index.file(name, filename, view);
    if (file === undefined) throw projectNotFound(name);
    await sendFile(req, res, file, {
      isPublic: this.#isPublic,
      ...(this.#isPublic ? { headers: FOR_BROWSERS } : {}),
    });
  }

  /** The provenance object that upstream holds of a file (PEP 740). Throws `project-not-found`, `file-not-found`. */
  async provenance(
    req: IncomingMessage,
    res: ServerResponse,
    { index, view, name }: IndexRequest,
    filename: string,
  ): Promise<void> {
    this.#authorize(req, name);
    const found = await index.provenance(name, filename, view);
    if (found === undefined) throw projectNotFound(name);
    res.writeHead(200, {
      'Content-Type': 'application/vnd.pypi.integrity.v1+json',
      'Content-Length': found.body.length,
      'Cache-Control': 'no-cache',
      'Cache-Status': 'stormcellar; fwd=miss',
      'X-Content-Type-Options': 'nosniff',
    });
    res.end(req.method === 'HEAD' ? undefined : found.body);
  }

  /** The project list, streamed: it may be long. Of those that the token may read. */
  async list(
    req: IncomingMessage,
    res: ServerResponse,
    { index, view }: Omit<IndexRequest, 'name'>,
    format?: string,
  ): Promise<void> {
    const { principal } = contextOf(req);
    const isLimited =
      principal.projects !== undefined && principal.can.some((action) => action === 'read' || action === 'admin');
    if (!isLimited) this.#access.authorize(principal, 'read', { kind: 'server' });
    const { format: wanted, contentType } = negotiate(single(req.headers.accept), format);
    const chunks = renderProjectList(this.#readable(index.projects(view), principal), wanted);
    // Before the head: a catalog that does not answer is told by a status, not by a list that breaks off.
    const first = await chunks.next();
    res.writeHead(200, {
      'Content-Type': contentType,
      Vary: 'Accept',
      'Cache-Control': this.#isPublic ? 'no-cache' : 'private, no-cache',
      'Cache-Status': 'stormcellar; hit',
      'X-Content-Type-Options': 'nosniff',
      ...(wanted === 'html' ? { 'Content-Security-Policy': "default-src 'none'" } : {}),
    });
    if (req.method === 'HEAD') {
      res.end();
      await chunks.return();
      return;
    }
    await pipeline(Readable.from(follow(first, chunks), { objectMode: false }), res);
  }

  async *#readable(names: AsyncIterable<ProjectName>, principal: Principal): AsyncGenerator<ProjectName> {
    for await (const name of names) if (this.#access.allows(principal, 'read', { kind: 'project', name })) yield name;
  }

  #negotiate(accept = '*/*'): Negotiated {
    if (accept === this.#last.accept) return this.#last.negotiated;
    let negotiated = this.#negotiated.get(accept);
    if (negotiated === undefined) {
      negotiated = negotiate(accept);
      this.#negotiated.set(accept, negotiated);
    }
    this.#last = { accept, negotiated };
    return negotiated;
  }

  #authorize(req: IncomingMessage, name: ProjectName): void {
    this.#access.authorize(contextOf(req).principal, 'read', { kind: 'project', name });
  }
}

/** What `first` was taken from, as if it had not been. */
async function* follow(
  first: IteratorResult<string, void>,
  rest: AsyncGenerator<string, void>,
): AsyncGenerator<string> {
  if (first.done !== true) yield first.value;
  yield* rest;
}

/**
 * In a lock, poetry lists no yanked file of a release that has another one, and so would leave out for good what is not stored
 * during an outage. It chooses whole releases in any case.
 */
function viewFor(req: IncomingMessage, view: Look, { outage }: PageState): Look {
  if (outage === undefined || !/^poetry\//.test(req.headers['user-agent'] ?? '')) return view;
  return { ...view, releases: 'whole' };
}

function projectNotFound(name: ProjectName): Problem {
  return new Problem('project-not-found', `No project ${name} is known here.`);
}

function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(',') : header;
}
