import { join } from 'node:path';
import type { DestinationStream } from 'pino';
import type { Clock } from '../../server/clock.ts';
import { type App, compose } from '../../server/compose.ts';
import { checkSettings } from '../../server/config/check.ts';
import type { Config } from '../../server/config/schema.ts';
import { createLogger } from '../../server/log.ts';
import { engineSettings } from './app-engines.ts';
import { makeTempDir } from './temp-dir.ts';
import { ADMIN_TOKEN, type TestConfigOptions, testSettings } from './test-config.ts';

export interface TestAppOptions extends TestConfigOptions {
  readonly clock?: Clock;
  /** A folder to go on with. */
  readonly dataDir?: string;
}

/** A composed server on loopback. */
export interface TestApp {
  /** Without a slash at the end. */
  readonly url: string;
  readonly dataDir: string;
  /** An admin token. */
  readonly token: string;
  /** What has been logged, parsed. */
  readonly logged: readonly Record<string, unknown>[];
  /** A request to a path of this server; redirects are not followed. */
  get(path: string, init?: RequestInit): Promise<Response>;
  /** The same with the admin token. */
  admin(path: string, init?: RequestInit): Promise<Response>;
  /** Stops it and starts another on the same folder and the same configuration. */
  restart(): Promise<TestApp>;
  stop(): Promise<void>;
}

/** Composes and starts the real server on a folder of its own, on any port of loopback; it ends with the test. */
export async function testApp(
  t: { after(fn: () => Promise<void>): void },
  options: TestAppOptions = {},
): Promise<TestApp> {
  let { dataDir } = options;
  if (dataDir === undefined) {
    const { dir, remove } = await makeTempDir();
    dataDir = join(dir, 'data');
    t.after(remove);
  }
  const lines: string[] = [];
  const log = createLogger({ level: 'info' }, collect(lines));
  const config = { ...(await engineSettings(dataDir)), ...options.config };
  const app = await compose(testConfig(dataDir, { ...options, config }), {
    log,
    version: '0.0.0-test',
    // A clock that is moved by hand is never the database's.
    ...(options.clock === undefined ? {} : { clock: options.clock, maxClockSkewMs: Number.POSITIVE_INFINITY }),
  });
  const { url } = await app.start();
  const stop = stopOnce(app);
  t.after(stop);
  const get = (path: string, init: RequestInit = {}) => fetch(`${url}${path}`, { redirect: 'manual', ...init });
  return {
    url,
    dataDir,
    token: ADMIN_TOKEN,
    get logged() {
      return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    },
    get,
    admin: (path, init = {}) => {
      const headers = new Headers(init.headers);
      headers.set('authorization', `Bearer ${ADMIN_TOKEN}`);
      return get(path, { ...init, headers });
    },
    restart: async () => {
      await stop();
      return testApp(t, { ...options, dataDir });
    },
    stop,
  };
}

function testConfig(dataDir: string, options: TestAppOptions): Config {
  const { settings, complaints } = checkSettings(testSettings(dataDir, options));
  if (settings === undefined || complaints.length > 0)
    throw new Error(`bad test configuration: ${JSON.stringify(complaints)}`);
  return { ...settings, bootstrapToken: ADMIN_TOKEN };
}

function collect(lines: string[]): DestinationStream {
  return {
    write: (line: string) => {
      lines.push(line);
    },
  };
}

function stopOnce(app: App): () => Promise<void> {
  let stopping: Promise<void> | undefined;
  return () => {
    stopping ??= app.stop();
    return stopping;
  };
}
