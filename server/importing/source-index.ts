import type { Digest } from '../../storage/digest.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { IndexImport } from '../model/job.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import { parseJsonPage } from '../simple/parse-json.ts';
import type { Credentials } from '../upstream/credentials.ts';
import { UpstreamError } from '../upstream/errors.ts';
import { HttpUpstream } from '../upstream/http-upstream.ts';
import { PAGE_ACCEPT } from '../upstream/index-page.ts';
import type { ProxySettings } from '../upstream/proxy.ts';
import type { Resolve } from '../upstream/resolve.ts';
import type { Download } from '../upstream/upstream.ts';
import { DevpiStage } from './devpi-stage.ts';
import { ImportGuard } from './import-guard.ts';
import { type OfferedFile, type ReadDocument, readable } from './offered-file.ts';

/** An index that is to move in. */
export interface SourceIndex {
  /** Everything that it lists. Throws `Problem`. */
  projects(): Promise<readonly ProjectName[]>;
  /** `undefined`: it has no such project. Throws `Problem`. */
  files(project: ProjectName): Promise<readonly OfferedFile[] | undefined>;
  /** The bytes, from `offset` on when that is possible. Throws `Problem`. */
  download(
    project: ProjectName,
    file: OfferedFile,
    options: { readonly signal: AbortSignal; readonly offset: number; readonly validator?: string | undefined },
  ): Promise<Download>;
  /** It does not answer any more. */
  readonly isDown: boolean;
  /** Cuts what is under way. */
  close(): Promise<void>;
}

export interface SourceIndexParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly userAgent: string;
  readonly proxies: ProxySettings;
  /** Hosts that may be asked; `null`: whichever an administrator names. */
  readonly allowHosts: readonly string[] | null;
  /** Files under way at once. */
  readonly atOnce: number;
  readonly resolve?: Resolve;
}

const MAX_PAGE_BYTES = 64 * 1024 * 1024;

/** The index of an order. Nothing is asked yet. */
export async function openSourceIndex(
  { from, url }: Pick<IndexImport, 'from' | 'url'>,
  login: Credentials | undefined,
  parts: SourceIndexParts,
): Promise<SourceIndex> {
  const { clock, log, userAgent, proxies, allowHosts, atOnce, resolve } = parts;
  const own = new URL(url);
  const index = from === 'devpi' ? new URL('+simple/', own) : own;
  const upstream = await HttpUpstream.open({
    ...{ name: own.host, url: index, userAgent, proxies, clock, log },
    ...(login === undefined ? {} : { credentials: login }),
    guard: new ImportGuard(own, allowHosts, resolve),
    timeoutMs: 60_000,
    pageMaxBytes: MAX_PAGE_BYTES,
    maxFiles: atOnce,
  });
  const document: ReadDocument = async (address, accept) => {
    try {
      return await upstream.document(address, { accept, maxBytes: MAX_PAGE_BYTES });
    } catch (error) {
      if (!(error instanceof Problem) || error.slug !== 'file-not-found') throw refusalOf(error, own);
      throw new Problem('not-found', `${own.host} has nothing at ${address.pathname}.`, { cause: error });
    }
  };
  const checked = <T>(asking: Promise<T>): Promise<T> =>
    asking.catch((error: unknown) => {
      throw refusalOf(error, own);
    });
  const listing = from === 'devpi' ? new DevpiStage(own, document) : new SimpleIndex(index, upstream, document);
  return {
    projects: () => listing.projects(),
    files: (project) => checked(listing.files(project)),
    download: (project, { filename, url: address, sha256 }, { signal, offset, validator }) =>
      checked(
        upstream.download(
          { project, filename, url: address, ...(sha256 === undefined ? {} : { sha256 }) },
          { signal, offset, ...(validator === undefined ? {} : { validator }) },
        ),
      ),
    get isDown() {
      return upstream.downSince !== undefined;
    },
    close: () => upstream.stop(),
  };
}

/** What we would not ask is no fault of the source's, and stays so however often it is tried. */
function refusalOf(error: unknown, { host }: URL): unknown {
  if (!(error instanceof Problem) || !(error.cause instanceof UpstreamError) || error.cause.kind !== 'here')
    return error;
  return new Problem('not-accepted', `${host} leads to where no import goes: ${error.cause.message}.`, {
    cause: error,
  });
}

/** By the simple API (PEP 503, 691, 700). */
class SimpleIndex {
  readonly #root: URL;
  readonly #upstream: HttpUpstream;
  readonly #document: ReadDocument;

  constructor(root: URL, upstream: HttpUpstream, document: ReadDocument) {
    this.#root = root;
    this.#upstream = upstream;
    this.#document = document;
  }

  async projects(): Promise<readonly ProjectName[]> {
    const { contentType, body } = await this.#document(this.#root, PAGE_ACCEPT);
    // Parsers of HTML take memory from when they are loaded, and many servers never import.
    const { parseProjectList } = await import('../simple/parse-list.ts');
    return readable(this.#root, () => parseProjectList(contentType, body));
  }

  async files(name: ProjectName): Promise<readonly OfferedFile[] | undefined> {
    const page = await this.#upstream.page(name);
    if (page === 'absent' || page === 'not-modified') return undefined;
    const parse = page.contentType.endsWith('json')
      ? parseJsonPage
      : (await import('../simple/parse-html.ts')).parseHtmlPage;
    const { files } = readable(this.#root, () => parse(page.body, { name, url: page.url }));
    return files.flatMap(({ filename, url, hashes: { sha256 }, uploadTime, yanked }) => {
      const address = url === undefined ? null : URL.parse(url);
      if (address === null) return [];
      return {
        filename,
        url: address,
        ...(sha256 === undefined ? {} : { sha256: sha256 as Digest }),
        ...(uploadTime === undefined ? {} : { uploadTime }),
        ...(yanked === undefined ? {} : { yanked }),
      };
    });
  }
}
