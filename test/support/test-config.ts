/** What a test says of the configuration; everything else is as a user would have it on a machine of its own. */
export interface TestConfigOptions {
  /** Keys of the configuration file, as a user would write them; `dataDir` and `listen` are given. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Address of the only upstream, `pypi`; without one the index has hosted projects alone. */
  readonly upstream?: string;
  /** More keys of that upstream, such as `freshFor`. */
  readonly upstreamKeys?: Readonly<Record<string, unknown>>;
}

export const ADMIN_TOKEN = 'test-admin-token-0123456789';

/** The configuration file of a test's server, which listens on any port of loopback. */
export function testSettings(dataDir: string, options: TestConfigOptions): Record<string, unknown> {
  const { config = {}, upstream, upstreamKeys = {} } = options;
  const upstreams = upstream === undefined ? {} : { pypi: { kind: 'upstream', url: upstream, ...upstreamKeys } };
  return {
    listen: { host: '127.0.0.1', port: 0 },
    dataDir,
    repositories: { local: { kind: 'hosted' }, ...upstreams },
    indexes: { main: { repositories: ['local', ...Object.keys(upstreams)] } },
    limits: { minFreeBytes: '0B', stopGrace: '2s' },
    // However busy the machine is, what is inside of a small archive stands in the answer to its upload.
    bundles: { contentsWait: '5m' },
    ...config,
  };
}
