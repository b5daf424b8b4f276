import { type Digest, parseDigest } from '../../storage/digest.ts';
import { percentDecoded } from '../model/address-path.ts';
import { safeFilename } from '../model/filename.ts';
import { isObject, type JsonObject, readJson } from '../model/json.ts';
import { type ProjectName, projectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import { PageFormatError } from '../simple/page-format-error.ts';
import { normaliseUploadTime } from '../simple/upload-time.ts';
import { type OfferedFile, type ReadDocument, readable } from './offered-file.ts';

/**
 * One index ("stage") of a devpi server, by its own JSON: which files are its own and not those of its bases, and when each was uploaded.
 * Neither is told by its simple API.
 */
export class DevpiStage {
  readonly #root: URL;
  readonly #document: ReadDocument;

  /** `root` ends in a slash. */
  constructor(root: URL, document: ReadDocument) {
    this.#root = root;
    this.#document = document;
  }

  async projects(): Promise<readonly ProjectName[]> {
    const { type, projects } = await this.#result('');
    if (type === 'mirror') {
      const sentence = `${this.#root.pathname} is a mirror of another index, so nothing of its own is there to move in.`;
      throw new Problem('not-accepted', sentence);
    }
    const names = new Set<ProjectName>();
    for (const text of Array.isArray(projects) ? projects : []) {
      const name = typeof text === 'string' ? projectName(text) : undefined;
      if (name !== undefined) names.add(name);
    }
    return [...names].sort();
  }

  async files(project: ProjectName): Promise<readonly OfferedFile[] | undefined> {
    try {
      const versions = Object.values(await this.#result(project));
      return versions.flatMap((version) => linksOf(version)).flatMap((link) => this.#offered(link));
    } catch (error) {
      if (error instanceof Problem && error.slug === 'not-found') return undefined;
      throw error;
    }
  }

  /** `result` of its answer. */
  async #result(path: string): Promise<JsonObject> {
    // Without the slash at the end: with one devpi answers for people.
    const address = new URL(path === '' ? this.#root.pathname.slice(0, -1) : path, this.#root);
    const { body } = await this.#document(address, 'application/json');
    return readable(this.#root, () => {
      const answer = readJson(body);
      if (answer === undefined) throw new PageFormatError('it is not JSON');
      if (!isObject(answer) || !isObject(answer.result)) throw new PageFormatError('it is no index of devpi');
      return answer.result;
    });
  }

  #offered(link: JsonObject): readonly OfferedFile[] {
    if (link.rel !== 'releasefile' || typeof link.href !== 'string') return [];
    const url = this.#addressOf(link.href);
    const segment = url?.pathname.slice(url.pathname.lastIndexOf('/') + 1) ?? '';
    const filename = safeFilename(percentDecoded(segment) ?? segment);
    if (url === undefined || filename === undefined) return [];
    const sha256 = sha256Of(link);
    const uploadTime = uploadTimeOf(link.log);
    return [
      {
        filename,
        url,
        ...(sha256 === undefined ? {} : { sha256 }),
        ...(uploadTime === undefined ? {} : { uploadTime }),
      },
    ];
  }

  /** devpi tells the address that it believes to have; files are below the index, by whatever name it was reached. */
  #addressOf(href: string): URL | undefined {
    const url = URL.parse(href, this.#root.href);
    if (url === null) return undefined;
    const below = url.pathname.indexOf('/+f/');
    return below === -1 ? url : new URL(url.pathname.slice(below + 1), this.#root);
  }
}

function linksOf(version: unknown): readonly JsonObject[] {
  const links = isObject(version) ? version['+links'] : undefined;
  return Array.isArray(links) ? links.filter(isObject) : [];
}

function sha256Of({ hashes, hash_spec: spec }: JsonObject): Digest | undefined {
  const text = isObject(hashes) ? hashes.sha256 : undefined;
  const told = typeof text === 'string' ? text : /^sha256=(.+)$/.exec(String(spec))?.[1];
  return told !== undefined && /^[0-9a-f]{64}$/i.test(told) ? parseDigest(told.toLowerCase()) : undefined;
}

/** When it was first uploaded: `[2026, 11, 28, 3, 51, 46]`, in UTC. */
function uploadTimeOf(log: unknown): string | undefined {
  for (const entry of Array.isArray(log) ? log : []) {
    const when: unknown = isObject(entry) && entry.what === 'upload' ? entry.when : undefined;
    if (!Array.isArray(when) || when.length < 6) continue;
    const [year, ...rest] = when.map((part) => String(part).padStart(2, '0'));
    const [month, day, hour, minute, second] = rest;
    return normaliseUploadTime(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  }
  return undefined;
}
