import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { LRUCache } from 'lru-cache';
import type { ProjectName } from '../model/project-name.ts';
import { renderHtmlPage } from '../simple/render-html.ts';
import { renderJsonPage } from '../simple/render-json.ts';
import { SingleFlight } from '../upstream/single-flight.ts';
import { FROM_MEMORY, type PageState, type Repository, type Revision, type View } from './repository.ts';

type PageFormat = 'json' | 'html';

/** Which page, as it is at which state. */
export interface PageRequest {
  readonly name: ProjectName;
  readonly view: View;
  readonly format: PageFormat;
  readonly state: PageState;
}

/** A project page, ready to be sent. */
export interface RenderedPage {
  readonly revision: Revision;
  readonly plain: Encoded;
  /** Absent for a page so small that compressing it gains nothing. */
  readonly gzip: Encoded | undefined;
}

export interface Encoded {
  readonly body: Buffer;
  /** The bytes of a small body as characters (`latin1`): Node sends them in one piece with the head. */
  readonly text: string | undefined;
  /** With its quotes; differs between formats and encodings. Of the content, so that no lost database makes an old tag true. */
  readonly etag: string;
}

const compress = promisify(gzip);
const WORTH_COMPRESSING = 1_000;

/** Project pages as bytes: rendered and compressed once per revision, kept within a bound of bytes. */
export class Pages {
  readonly #cache: LRUCache<string, RenderedPage>;
  readonly #rendering = new SingleFlight<string, RenderedPage | undefined>();

  constructor(options: { readonly maxBytes: number }) {
    this.#cache = new LRUCache({
      // Nought keeps nothing; to the cache it would be no bound at all.
      maxSize: Math.max(1, options.maxBytes),
      sizeCalculation: ({ plain, gzip }) => bytesOf(plain) + (gzip === undefined ? 0 : bytesOf(gzip)) + 500,
    });
  }

  /** The page at this state if it is rendered already. Keeps it from being dropped. */
  ready(source: Pick<Repository, 'name'>, what: PageRequest): RenderedPage | undefined {
    const page = this.#cache.get(pageKey(source.name, what));
    return page?.revision === what.state.revision ? page : undefined;
  }

  /** The page at this state, or while the catalog is away the one that was rendered last; `undefined` when the project has gone in the meantime. */
  async get(source: Repository, what: PageRequest): Promise<RenderedPage | undefined> {
    const ready = this.ready(source, what);
    if (ready !== undefined) return ready;
    const key = pageKey(source.name, what);
    // While the catalog is away nothing can be rendered, and a page of a little earlier is better than none.
    const earlier = what.state.origin === FROM_MEMORY ? this.#cache.get(key) : undefined;
    if (earlier !== undefined) return earlier;
    return this.#rendering.run(`${key} ${what.state.revision}`, async () => {
      const detail = await source.project(what.name, what.view, what.state);
      if (detail === undefined) return undefined;
      const body = what.format === 'json' ? renderJsonPage(detail) : renderHtmlPage(detail);
      const page: RenderedPage = {
        revision: what.state.revision,
        plain: encoded(body),
        gzip: body.length < WORTH_COMPRESSING ? undefined : encoded(await compress(body)),
      };
      this.#cache.set(key, page);
      return page;
    });
  }
}

/** Names a page in the cache: index, view, project and format. */
function pageKey(index: string, { name, view, format }: PageRequest): string {
  return `${index}\n${view.offline ? 'offline' : ''}\n${view.at ?? ''}\n${view.releases ?? ''}\n${name}\n${format}`;
}

function bytesOf({ body, text }: Encoded): number {
  return body.length + (text?.length ?? 0);
}

// With its head less than the 16 KiB that Node passes on without a buffer of its own (StreamBase::WriteString).
const MOST_TEXT = 15_000;

function encoded(body: Buffer): Encoded {
  const text = body.length <= MOST_TEXT ? body.toString('latin1') : undefined;
  return { body, text, etag: `"${createHash('sha256').update(body).digest('hex').slice(0, 32)}"` };
}
