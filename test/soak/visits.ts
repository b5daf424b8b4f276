import { createHash, randomBytes } from 'node:crypto';
import type { Digest } from '../../storage/digest.ts';
import { ADMIN_TOKEN } from '../support/test-config.ts';
import { type BuiltFile, makeWheel } from '../support/wheel.ts';
import type { Ledger } from './ledger.ts';
import type { Misconduct } from './misconduct.ts';
import type { Answer, Nodes } from './nodes.ts';
import type { Random } from './random.ts';

const AUTHORIZED = { authorization: `Bearer ${ADMIN_TOKEN}` };
const JSON_PAGE = 'application/vnd.pypi.simple.v1+json';
const ACCEPTED = [JSON_PAGE, 'text/html', '*/*'];
// Two seconds are promised; the machine that this runs on is busy.
const LONGEST_MS = 2600;
const OWN_PROJECTS = 5;
/** What may be said of something that was never had from the upstream. */
const UPSTREAM_FAILED: readonly number[] = [502, 503, 504];

/** Clients of a cellar: what each visit asks for is left to chance, and what it gets is held against what was promised. */
export class Visits {
  readonly #projects: ReadonlyMap<string, readonly BuiltFile[]>;
  readonly #nodes: Nodes;
  readonly #ledger: Ledger;
  readonly #misconduct: Misconduct;
  readonly #random: Random;
  #uploads = 0;

  constructor(
    projects: ReadonlyMap<string, readonly BuiltFile[]>,
    parts: {
      readonly nodes: Nodes;
      readonly ledger: Ledger;
      readonly misconduct: Misconduct;
      readonly random: Random;
    },
  ) {
    this.#projects = projects;
    this.#nodes = parts.nodes;
    this.#ledger = parts.ledger;
    this.#misconduct = parts.misconduct;
    this.#random = parts.random;
  }

  /** One after the other, until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#visit();
      this.#ledger.requests += 1;
    }
  }

  /** Asks once more for all that was acknowledged. */
  async audit(): Promise<void> {
    for (const [path, digest] of [...this.#ledger.uploads, ...this.#ledger.bundles]) await this.#kept(path, digest);
    for (const [project, files] of this.#projects) {
      for (const file of files) {
        if (this.#ledger.files.has(file.filename)) await this.#kept(pathOf(project, file), file.sha256);
      }
    }
  }

  async #visit(): Promise<void> {
    const [project, files] = this.#random.one([...this.#projects]);
    const file = this.#random.one(files);
    const kind = this.#random.next();
    if (kind < 0.35) await this.#page(project, files);
    else if (kind < 0.7) await this.#file(project, file);
    else if (kind < 0.8) await this.#metadata(project, file);
    else if (kind < 0.86) await this.#offline(project, files);
    else if (kind < 0.92) await this.#upload();
    else if (kind < 0.96) await this.#stored(this.#ledger.uploads);
    else if (kind < 0.98) await this.#bundle();
    else await this.#stored(this.#ledger.bundles);
  }

  async #page(project: string, files: readonly BuiltFile[]): Promise<void> {
    const { pages } = this.#ledger;
    const wasKnown = pages.has(project);
    const known = files.filter(({ filename }) => this.#ledger.files.has(filename));
    const answer = await this.#ask(`/simple/${project}/`, { headers: { accept: this.#random.one(ACCEPTED) } });
    if (answer === undefined) return;
    if (answer.status === 200 && answer.isWhole) {
      pages.add(project);
      const missing = known.find(({ filename }) => !answer.body.includes(filename));
      if (missing !== undefined) this.#fault('a page lacks a file that is stored', missing.filename);
    } else if (wasKnown) this.#unsteady(answer, 'a known page did not come', project);
    else this.#checkRefusal(answer, project);
    if (wasKnown) this.#checkTime(answer, project);
  }

  async #file(project: string, file: BuiltFile): Promise<void> {
    const { files, pages } = this.#ledger;
    const wasKnown = files.has(file.filename);
    const hadPage = pages.has(project);
    const from = this.#random.next() < 0.2 ? this.#random.below(file.bytes.length) : 0;
    const headers: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {};
    const answer = await this.#ask(pathOf(project, file), { headers });
    if (answer === undefined) return;
    if (answer.status === 200 || answer.status === 206) {
      const wanted = answer.status === 206 ? file.bytes.subarray(from) : file.bytes;
      if (answer.isWhole && !answer.body.equals(wanted)) this.#fault('wrong bytes', file.filename);
      else if (answer.isWhole && answer.status === 200) files.add(file.filename);
      else if (!answer.isWhole && wasKnown) this.#unsteady(answer, 'a stored file was cut', file.filename);
    } else if (wasKnown) this.#unsteady(answer, 'a stored file did not come', file.filename);
    // What has the wrong length is broken off, or has no such range.
    else if (answer.status !== 0 && answer.status !== 416) this.#checkRefusal(answer, file.filename, hadPage);
    if (wasKnown) this.#checkTime(answer, file.filename);
  }

  async #metadata(project: string, file: BuiltFile): Promise<void> {
    const wasStored = this.#ledger.files.has(file.filename);
    const answer = await this.#ask(`${pathOf(project, file)}.metadata`);
    if (answer === undefined) return;
    if (answer.status === 200 && answer.isWhole) {
      if (!answer.body.equals(file.metadata)) this.#fault('wrong core metadata', file.filename);
    } else if (wasStored) this.#unsteady(answer, 'core metadata of a stored wheel did not come', file.filename);
  }

  async #offline(project: string, files: readonly BuiltFile[]): Promise<void> {
    const stored = files.filter(({ filename }) => this.#ledger.files.has(filename));
    const answer = await this.#ask(`/offline/simple/${project}/`, { headers: { accept: JSON_PAGE } });
    if (answer === undefined || (answer.status === 404 && stored.length === 0)) return;
    if (answer.status !== 200) this.#unsteady(answer, 'a page of what is stored did not come', project);
    else if (answer.isWhole) {
      const missing = stored.find(({ filename }) => !answer.body.includes(filename));
      if (missing !== undefined) this.#fault('a page of what is stored lacks a file', missing.filename);
    }
  }

  async #upload(): Promise<void> {
    this.#uploads += 1;
    const name = `own-${this.#random.below(OWN_PROJECTS)}`;
    const wheel = makeWheel({ name, version: `1.${this.#uploads}`, padding: this.#random.below(2e5) });
    const form = new FormData();
    const fields = { ':action': 'file_upload', protocol_version: '1', name, version: wheel.version };
    const more = { filetype: 'bdist_wheel', pyversion: 'py3', metadata_version: '2.1', sha256_digest: wheel.sha256 };
    for (const [key, value] of Object.entries({ ...fields, ...more })) form.append(key, value);
    form.append('content', new Blob([new Uint8Array(wheel.bytes)]), wheel.filename);
    const answer = await this.#ask('/legacy/', { method: 'POST', headers: AUTHORIZED, body: form });
    if (answer === undefined) return;
    if (answer.status !== 200) {
      this.#unsteady(answer, 'an upload was refused', wheel.filename);
      return;
    }
    this.#ledger.uploads.set(pathOf(name, wheel), wheel.sha256);
    const page = await this.#ask(`/simple/${name}/`);
    if (page?.status === 200 && page.isWhole && !page.body.includes(wheel.filename))
      this.#fault('an upload is not on its page', wheel.filename);
  }

  async #bundle(): Promise<void> {
    this.#uploads += 1;
    const body = randomBytes(1 + this.#random.below(3e6));
    const path = `/bundles/app/${this.#uploads}.0/app-${this.#uploads}.bin`;
    const init = { method: 'PUT', headers: AUTHORIZED, body };
    const answer = await this.#ask(`${path}?channel=production`, init);
    if (answer?.status === 201) this.#ledger.bundles.set(path, digestOf(body));
    else if (answer !== undefined) this.#unsteady(answer, 'a bundle was refused', path);
  }

  async #stored(what: ReadonlyMap<string, Digest>): Promise<void> {
    if (what.size === 0) return;
    const [path, digest] = this.#random.one([...what]);
    await this.#kept(path, digest);
  }

  async #kept(path: string, digest: Digest): Promise<void> {
    const answer = await this.#ask(path);
    if (answer === undefined) return;
    if (answer.status !== 200 || !answer.isWhole) this.#unsteady(answer, 'what was stored did not come', path);
    else if (digestOf(answer.body) !== digest) this.#fault('wrong bytes', path);
  }

  async #ask(path: string, init: RequestInit = {}): Promise<Answer | undefined> {
    const answer = await this.#nodes.ask(path, init);
    if (answer?.status === 500) this.#fault('an internal error', `${path} ${answer.body.toString()}`);
    return answer;
  }

  /** What keeps a client waiting must say so, and only what an upstream has said is not there may be called so. */
  #checkRefusal(answer: Answer, what: string, hadPage = true): void {
    const { status, headers } = answer;
    if (status === 404) {
      if (hadPage && !this.#misconduct.mayHaveDenied) this.#fault('called missing without the upstream’s word', what);
    } else if (!UPSTREAM_FAILED.includes(status)) this.#unsteady(answer, 'an odd refusal', what);
    else if (status !== 504 && !headers.has('retry-after')) this.#fault('a refusal without Retry-After', what);
  }

  #checkTime({ ms, isSteady }: Answer, what: string): void {
    if (isSteady && ms > LONGEST_MS) this.#fault('what is known took long', `${what} ${Math.round(ms)} ms`);
  }

  /** A fault, unless the node was killed meanwhile. */
  #unsteady(answer: Answer, kind: string, what: string): void {
    if (!answer.isSteady) return;
    this.#fault(kind, `${what}: ${answer.status} ${answer.body.toString('utf8', 0, 300)}`);
  }

  #fault(kind: string, detail: string): void {
    this.#ledger.fault(kind, `${detail} (the upstream ${this.#misconduct.now})`);
  }
}

function pathOf(project: string, file: BuiltFile): string {
  return `/simple/${project}/${file.filename}`;
}

function digestOf(bytes: Buffer): Digest {
  return createHash('sha256').update(bytes).digest('hex') as Digest;
}
