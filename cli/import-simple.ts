import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CommandFailure } from './failure.ts';
import { type Arrival, isDistribution, normalised } from './import-file.ts';
import type { Found } from './import-folder.ts';

const ACCEPT = 'application/vnd.pypi.simple.v1+json, text/html;q=0.5';
const MAX_PAGE_BYTES = 64 * 1024 * 1024;

interface Link {
  readonly text: string;
  readonly url: string;
  readonly sha256?: string;
  readonly uploadTime?: string;
}

/**
 * The distributions of an index, by its simple API (PEP 503, 691); of `only` these projects when some are named. User and password in the
 * address are sent to its own origin and nowhere else.
 */
export async function fromSimple(address: string, only: readonly string[]): Promise<Found> {
  const root = URL.parse(address.endsWith('/') ? address : `${address}/`);
  if (root === null || !/^https?:$/.test(root.protocol))
    throw new CommandFailure(`${address} is not an http(s) address.`, 2);
  const site = new Site(root);
  const projects = only.length > 0 ? only.map(normalised) : await site.projects();
  return found(site, projects);
}

/** The same of one index of a devpi server, such as `https://devpi.example/team/dev`: its own projects, not those of its bases. */
export async function fromDevpiServer(address: string, only: readonly string[]): Promise<Found> {
  const index = URL.parse(address.replace(/\/+$/, ''));
  if (index === null) throw new CommandFailure(`${address} is not an http(s) address.`, 2);
  const site = new Site(new URL(`${index.href}/+simple/`));
  const told = await site.json<{ result?: { projects?: readonly string[] } }>(index);
  const projects = only.length > 0 ? only : told.result?.projects;
  if (projects === undefined) throw new CommandFailure(`${index.host} does not answer like an index of devpi.`);
  return found(site, projects.map(normalised));
}

function found(site: Site, projects: readonly string[]): Found {
  const skipped: string[] = [];
  async function* arrivals(): AsyncGenerator<Arrival> {
    for (const project of projects) {
      for (const { text, url, sha256, uploadTime } of await site.links(project)) {
        if (!isDistribution(text)) {
          skipped.push(text);
          continue;
        }
        yield {
          filename: text,
          fetch: () => site.download(url, text),
          ...(sha256 === undefined ? {} : { sha256 }),
          ...(uploadTime === undefined ? {} : { uploadTime }),
        };
      }
    }
  }
  return { arrivals: arrivals(), skipped };
}

/** Another index. */
class Site {
  readonly #root: URL;
  readonly #authorization: string | undefined;

  constructor(root: URL) {
    const { username, password } = root;
    this.#authorization =
      username === ''
        ? undefined
        : `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}`;
    this.#root = new URL(root);
    this.#root.username = '';
    this.#root.password = '';
  }

  async projects(): Promise<readonly string[]> {
    const links = await this.#page(this.#root, (json) =>
      (json.projects ?? []).map(({ name }) => ({ text: name, url: '' })),
    );
    return [...new Set(links.map(({ text }) => normalised(text.trim())))];
  }

  async links(project: string): Promise<readonly Link[]> {
    return await this.#page(new URL(`${project}/`, this.#root), (json) =>
      (json.files ?? []).map((file) => ({
        text: file.filename,
        url: file.url,
        ...(file.hashes?.sha256 === undefined ? {} : { sha256: file.hashes.sha256.toLowerCase() }),
        ...(file['upload-time'] === undefined ? {} : { uploadTime: file['upload-time'] }),
      })),
    );
  }

  async json<T>(url: URL): Promise<T> {
    const response = await this.#get(url, 'application/json');
    return (await response.json()) as T;
  }

  async download(url: string, filename: string): Promise<{ readonly path: string; done(): Promise<void> }> {
    const dir = await mkdtemp(join(tmpdir(), 'stormcellar-import-'));
    const done = (): Promise<void> => rm(dir, { recursive: true, force: true });
    try {
      const response = await this.#get(new URL(url), '*/*');
      if (response.body === null) throw new CommandFailure(`${filename} has no bytes.`);
      const path = join(dir, 'file');
      await pipeline(Readable.fromWeb(response.body as never), createWriteStream(path));
      return { path, done };
    } catch (error) {
      await done();
      throw error;
    }
  }

  async #page(url: URL, fromJson: (json: SimpleJson) => readonly Link[]): Promise<readonly Link[]> {
    const response = await this.#get(url, ACCEPT);
    const text = await response.text();
    if (text.length > MAX_PAGE_BYTES) throw new CommandFailure(`A page of ${url.host} is too large.`);
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    const links = isJson ? fromJson(JSON.parse(text) as SimpleJson) : anchors(text);
    return links.map((link) => (link.url === '' ? link : absolute(link, response.url)));
  }

  async #get(url: URL, accept: string): Promise<Response> {
    const headers = new Headers({ Accept: accept });
    if (this.#authorization !== undefined && url.origin === this.#root.origin)
      headers.set('Authorization', this.#authorization);
    let response: Response;
    try {
      response = await fetch(url, { headers });
    } catch (cause) {
      throw new CommandFailure(`${url.host} cannot be reached.`, 1, { cause });
    }
    if (response.ok) return response;
    await response.body?.cancel();
    throw new CommandFailure(`${url.origin}${url.pathname} answers ${response.status}.`);
  }
}

interface SimpleJson {
  readonly projects?: readonly { readonly name: string }[];
  readonly files?: readonly {
    readonly filename: string;
    readonly url: string;
    readonly hashes?: { readonly sha256?: string };
    readonly 'upload-time'?: string;
  }[];
}

function anchors(html: string): readonly Link[] {
  const links: Link[] = [];
  for (const [, attributes = '', text = ''] of html.matchAll(/<a\b([^>]*)>([^<]*)<\/a>/gi)) {
    const href = /\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))/i.exec(attributes);
    const url = plainText(href?.[1] ?? href?.[2] ?? href?.[3] ?? '');
    if (url !== '') links.push({ text: plainText(text.trim()).replace(/\/$/, ''), url });
  }
  return links;
}

function absolute(link: Link, base: string): Link {
  const url = new URL(link.url, base);
  const sha256 = /^#sha256=([0-9a-f]{64})$/i.exec(url.hash)?.[1]?.toLowerCase();
  url.hash = '';
  return { ...link, url: url.href, ...(sha256 === undefined ? {} : { sha256 }) };
}

function plainText(text: string): string {
  return text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');
}
