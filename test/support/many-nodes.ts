import { Client } from 'pg';
import type { S3Config } from '../../storage/s3-client.ts';
import { ChaosProxy } from './chaos-proxy.ts';
import { type S3Engine, startS3 } from './engines.ts';
import { newBucket } from './s3-bucket.ts';
import { type TestApp, type TestAppOptions, testApp } from './test-app.ts';
import { startTestPostgres, type TestPostgres } from './test-postgres.ts';
import { type TestServer, type TestServerOptions, testServer } from './test-server.ts';

type Test = { after(fn: () => Promise<void>): void };

/** PostgreSQL and an S3 store of this test process, for cellars of many nodes. */
export interface SharedEngines {
  /** Why there are none; then `cellar` throws. */
  readonly skip: string | false;
  /** A new database and a new bucket, each at the end of a line that can be cut. `endpoint`: of a proxy in front of the store. */
  cellar(t: Test, options?: { readonly endpoint?: string }): Promise<SharedCellar>;
  /** Of the store itself, for a proxy in front of it. */
  readonly s3: S3Engine;
  stop(): Promise<void>;
}

/** One database and one bucket, and the nodes that serve from them. */
export interface SharedCellar {
  /** The lines of every node that is not given its own. */
  readonly lines: Lines;
  readonly bucket: S3Config;
  /** Name of the database. */
  readonly database: string;
  /** The folder of its server, with its `log`. */
  readonly databaseDir: string;
  /** More lines to the same engines, for nodes that lose theirs alone. */
  moreLines(): Promise<Lines>;
  /** What a configuration file says of the engines. */
  settings(lines?: Lines): Record<string, unknown>;
  /** A node in this process, on a folder of its own. */
  node(options?: TestAppOptions & { readonly lines?: Lines }): Promise<TestApp>;
  /** A node as a process of its own. */
  program(options?: TestServerOptions & { readonly lines?: Lines }): Promise<TestServer>;
  /** Asks the database directly, whatever becomes of the lines. */
  query(text: string): Promise<Record<string, unknown>[]>;
}

export interface Lines {
  readonly database: ChaosProxy;
  readonly store: ChaosProxy;
}

/** Starts both engines, once for a test file. */
export async function startSharedEngines(): Promise<SharedEngines> {
  const [postgres, s3] = await Promise.all([startTestPostgres(), startS3('versitygw')]);
  const stop = async (): Promise<void> => {
    await postgres.stop();
    if (s3.skip === undefined) await s3.stop();
  };
  if (postgres.skip !== false || s3.skip !== undefined) {
    const skip = postgres.skip || s3.skip || 'an engine is missing';
    const none = (): never => {
      throw new Error(skip);
    };
    return {
      skip,
      cellar: async () => none(),
      get s3() {
        return none();
      },
      stop,
    };
  }
  return { skip: false, s3, stop, cellar: (t, options = {}) => openCellar(t, { postgres, s3, ...options }) };
}

async function openCellar(
  t: Test,
  engines: { readonly postgres: TestPostgres; readonly s3: S3Engine; readonly endpoint?: string },
): Promise<SharedCellar> {
  const { postgres, s3 } = engines;
  const direct = await postgres.database();
  const bucket = await newBucket(s3);
  const database = direct.slice(direct.lastIndexOf('/', direct.indexOf('?')) + 1, direct.indexOf('?'));
  const databaseDir = new URLSearchParams(direct.slice(direct.indexOf('?'))).get('host') ?? '';
  const { hostname, port } = new URL(engines.endpoint ?? s3.endpoint);
  // Before the lines: a node that ends without its engines has other things to do.
  const nodes: { stop(): Promise<unknown> }[] = [];
  t.after(async () => {
    for (const node of nodes) await node.stop();
  });
  const kept = async <N extends { stop(): Promise<unknown> }>(starting: Promise<N>): Promise<N> => {
    const node = await starting;
    nodes.push(node);
    return node;
  };
  const moreLines = async (): Promise<Lines> => {
    const lines = {
      database: await ChaosProxy.start({ path: `${databaseDir}/.s.PGSQL.5432` }),
      store: await ChaosProxy.start({ host: hostname, port: Number(port) }),
    };
    t.after(async () => {
      for (const line of [lines.database, lines.store]) {
        line.heal();
        await line.stop();
      }
    });
    return lines;
  };
  const lines = await moreLines();
  const settings = (own: Lines = lines): Record<string, unknown> => ({
    catalog: {
      kind: 'postgres',
      url: `postgres://app@127.0.0.1:${own.database.port}/${database}`,
      poolSize: 4,
      connectTimeout: '1s',
    },
    storage: { ...bucket, endpoint: `http://127.0.0.1:${own.store.port}`, cacheBytes: '256MiB' },
  });
  const withEngines = <O extends TestServerOptions & { readonly lines?: Lines }>({ lines: own, ...options }: O) => ({
    ...options,
    config: { ...settings(own), ...options.config },
  });
  return {
    lines,
    bucket,
    database,
    databaseDir,
    moreLines,
    settings,
    node: (options = {}) => kept(testApp(t, withEngines(options))),
    program: (options = {}) => kept(testServer(t, withEngines(options))),
    query: async (text) => {
      const client = new Client({ connectionString: direct });
      await client.connect();
      try {
        return (await client.query(text)).rows;
      } finally {
        await client.end();
      }
    },
  };
}
