import { createHash } from 'node:crypto';
import { createReadStream, openAsBlob } from 'node:fs';
import { basename } from 'node:path';
import { nameFromFile } from './bundle-name.ts';
import type { Client } from './client.ts';

/** A file that is to move in. */
export interface Arrival {
  readonly filename: string;
  /** RFC 3339, when it is known. */
  readonly uploadTime?: string;
  /** Lower-case hex, when whoever has it tells. */
  readonly sha256?: string;
  /** Makes it a local file; `done` removes what was made for that. Throws with a sentence. */
  fetch(): Promise<{ readonly path: string; done(): Promise<void> }>;
}

/** What became of it. */
export interface ArrivalOutcome {
  readonly state: 'stored' | 'present' | 'failed';
  readonly filename: string;
  readonly why?: string;
}

/** The distributions that an importer takes; eggs, installers and signatures are left where they are. */
export function isDistribution(filename: string): boolean {
  return /\.(?:whl|tar\.gz|zip)$/i.test(filename) && !filename.startsWith('.') && nameOf(filename) !== undefined;
}

/** Uploads files into an index of the server, skipping what it has already. */
export class Importer {
  readonly #client: Client;
  readonly #prefix: string;
  readonly #pages = new Map<string, Promise<ReadonlyMap<string, string>>>();

  /** `index`: into which; the default one when absent. */
  constructor(client: Client, index: string | undefined) {
    this.#client = client;
    this.#prefix = index === undefined ? '' : `/index/${encodeURIComponent(index)}`;
  }

  /** Never throws: a file that cannot move in says why. */
  async take(arrival: Arrival): Promise<ArrivalOutcome> {
    const { filename } = arrival;
    try {
      const name = nameOf(filename);
      if (name === undefined) return { state: 'failed', filename, why: 'its name tells no project and version' };
      const here = (await this.#listed(normalised(name.project))).get(filename);
      if (here !== undefined && here === arrival.sha256) return { state: 'present', filename };
      const { path, done } = await arrival.fetch();
      try {
        const sha256 = await sha256Of(path);
        if (arrival.sha256 !== undefined && arrival.sha256 !== sha256)
          return { state: 'failed', filename, why: `it has the sha256 ${sha256}, and ${arrival.sha256} was promised` };
        if (here === sha256) return { state: 'present', filename };
        await this.#upload(path, { ...name, ...arrival, filename, sha256 });
        return { state: 'stored', filename };
      } finally {
        await done();
      }
    } catch (error) {
      return { state: 'failed', filename, why: error instanceof Error ? error.message : String(error) };
    }
  }

  async #upload(
    path: string,
    file: { project: string; version: string; filename: string; sha256: string; uploadTime?: string },
  ): Promise<void> {
    const isWheel = /\.whl$/i.test(file.filename);
    const form = new FormData();
    const fields = {
      ':action': 'file_upload',
      protocol_version: '1',
      metadata_version: '2.1',
      name: file.project,
      version: file.version,
      filetype: isWheel ? 'bdist_wheel' : 'sdist',
      pyversion: isWheel ? (file.filename.split('-').at(-3) ?? 'py3') : 'source',
      sha256_digest: file.sha256,
      ...(file.uploadTime === undefined ? {} : { upload_time: file.uploadTime }),
    };
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
    form.set('content', await openAsBlob(path), file.filename);
    const encoded = new Response(form);
    await this.#client.send(`${this.#prefix}/legacy/`, {
      method: 'POST',
      headers: { 'Content-Type': encoded.headers.get('content-type') ?? 'multipart/form-data' },
      body: encoded.body,
    });
  }

  /** Digests of the files that the server has, by name; asked once for each project. Nobody outside hears the name. */
  #listed(project: string): Promise<ReadonlyMap<string, string>> {
    const known = this.#pages.get(project) ?? this.#ask(project);
    this.#pages.set(project, known);
    return known;
  }

  async #ask(project: string): Promise<ReadonlyMap<string, string>> {
    const headers = { Accept: 'application/vnd.pypi.simple.v1+json' };
    const response = await this.#client.send(`${this.#prefix}/offline/simple/${project}/`, {
      headers,
      accept: [404],
    });
    if (!response.ok) {
      await response.body?.cancel();
      return new Map();
    }
    const page = (await response.json()) as { files: { filename: string; hashes: { sha256?: string } }[] };
    return new Map(
      page.files.flatMap(({ filename, hashes }) => (hashes.sha256 ? [[filename, hashes.sha256] as const] : [])),
    );
  }
}

/** As PEP 503 has it. */
export function normalised(name: string): string {
  return name.replace(/[-_.]+/g, '-').toLowerCase();
}

function nameOf(filename: string): { readonly project: string; readonly version: string } | undefined {
  const { app, version } = nameFromFile(basename(filename));
  return app === undefined || version === undefined ? undefined : { project: app, version };
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
