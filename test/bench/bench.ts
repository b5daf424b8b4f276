import { join } from 'node:path';
import { startTestPostgres, type TestPostgres } from '../support/test-postgres.ts';
import { type BenchProject, SINGLES, type SingleName, writeAlike } from './content.ts';
import { LOAD_CPUS } from './machine.ts';
import { type Nginx, type NginxOptions, startNginx } from './nginx.ts';
import { download } from './run.ts';
import { type BenchServer, type ServerOptions, startServer } from './server.ts';

const BREAK_IN_TURNS = 5;

/** How long to measure. */
export interface Effort {
  /** Turns of each side. */
  readonly rounds: number;
  /** Seconds of load in each. */
  readonly seconds: number;
}

/** What a scenario works with. All that it starts is stopped when the scenario ends. */
export class Bench {
  readonly effort: Effort;
  /** The folder that the index, and what else is to be served beside it, lies in. */
  readonly root: string;
  /** nginx on the server's processor, serving `root`: what we are compared with. */
  readonly limit: Nginx;
  readonly #dir: string;
  readonly #projects: ReadonlyMap<string, BenchProject>;
  readonly #running: (() => Promise<void>)[] = [];
  #started = 0;

  constructor(parts: {
    readonly dir: string;
    readonly root: string;
    readonly limit: Nginx;
    readonly projects: ReadonlyMap<string, BenchProject>;
    readonly effort: Effort;
  }) {
    this.#dir = parts.dir;
    this.root = parts.root;
    this.limit = parts.limit;
    this.#projects = parts.projects;
    this.effort = parts.effort;
  }

  /** A project's page below any server, and its newest file. */
  project(single: SingleName): { readonly page: string; readonly file: string; readonly path: string } {
    const project = this.#projects.get(SINGLES[single].name);
    if (project === undefined) throw new Error(`there is no project ${single}`);
    const page = `/simple/${project.name}/`;
    return { page, file: `${page}${project.filename}`, path: project.path };
  }

  /** Paths of that many files with the bytes of a project's newest, on a page of their own. */
  alike(single: SingleName, count: number): Promise<readonly string[]> {
    const project = this.#projects.get(SINGLES[single].name);
    if (project === undefined) throw new Error(`there is no project ${single}`);
    return writeAlike(this.root, project, count);
  }

  /** An upstream of one's own that serves the index and keeps a log. */
  async upstream(options: Pick<NginxOptions, 'rate'> = {}): Promise<Nginx> {
    const upstream = await startNginx({ root: this.root, dir: this.folder(), cpus: LOAD_CPUS, log: true, ...options });
    this.stopLater(() => upstream.program.stop());
    return upstream;
  }

  /** Our server, with empty data unless a folder is given. */
  async server(options: Partial<ServerOptions> = {}): Promise<BenchServer> {
    const server = await startServer({ dir: this.folder(), ...options });
    this.stopLater(() => server.program.stop());
    return server;
  }

  /** Our server in front of an upstream of its own. */
  async pair(upstreamKeys: Readonly<Record<string, unknown>> = {}): Promise<{ server: BenchServer; upstream: Nginx }> {
    const upstream = await this.upstream();
    return { upstream, server: await this.server({ upstream: `${upstream.url}/simple/`, upstreamKeys }) };
  }

  /** A server of PostgreSQL on the processors of the load. */
  async postgres(): Promise<TestPostgres> {
    const postgres = await startTestPostgres();
    this.stopLater(() => postgres.stop());
    if (postgres.skip !== false) throw new Error(postgres.skip);
    return postgres;
  }

  /** Gives a new server work of every kind, as one has had that runs for a while: its code is compiled then. */
  async breakIn({ url }: BenchServer): Promise<void> {
    for (let turn = 0; turn < BREAK_IN_TURNS; turn += 1) {
      for (const single of ['small', 'usual', 'huge', 'wheel25'] as const) {
        const { page, file } = this.project(single);
        for (const path of [page, `${file}.metadata`, file]) await download(url + path);
      }
    }
  }

  /** A name for a folder that nothing else uses. */
  folder(): string {
    this.#started += 1;
    return join(this.#dir, String(this.#started));
  }

  stopLater(stop: () => Promise<void>): void {
    this.#running.push(stop);
  }

  /** Stops what is running but `limit`, the latest first. */
  async stopAll(): Promise<void> {
    for (;;) {
      const stop = this.#running.pop();
      if (stop === undefined) return;
      await stop();
    }
  }
}
