import { homedir, hostname, networkInterfaces } from 'node:os';
import { whyUnreadable } from './file-checks.ts';
import { findPipIndex, type PipIndex, type PipQuestion } from './pip-default.ts';
import type { Environment } from './references.ts';
import type { Config, RepositoryConfig } from './schema.ts';

export interface Resolved {
  /** The configuration; an upstream whose `url` is still `auto` has none, and nobody could be asked. */
  readonly config: Config;
  /** Sentences for the log. */
  readonly warnings: readonly string[];
}

/** Puts the index that pip on this machine uses in the place of `"url": "auto"`. Never throws. */
export async function resolveAuto(
  config: Config,
  env: Environment,
  question: Partial<PipQuestion> = {},
): Promise<Resolved> {
  if (!Object.values(config.repositories).some(isAuto)) return { config, warnings: [] };
  const place = { env, home: env.HOME || homedir(), platform: process.platform };
  const { index, warnings } = await findPipIndex({ ...place, isOwn: (url) => isOwn(url, config), ...question });
  if (index === undefined) {
    const advice = 'No index was found that pip on this machine uses; set "url" of the upstream in the configuration.';
    return { config, warnings: [...warnings, advice] };
  }
  const code = index.caFile === null ? undefined : await whyUnreadable(index.caFile);
  const usable = code === undefined ? index : { ...index, caFile: null };
  const repositories = Object.entries(config.repositories).map(([name, repository]) => {
    return [name, isAuto(repository) ? pointed(repository, usable) : repository] as const;
  });
  return {
    config: { ...config, repositories: Object.fromEntries(repositories) },
    warnings: code === undefined ? warnings : [...warnings, passedOver(index.caFile, code)],
  };
}

/** What pip is told may be meant for other programs, such as a folder of certificates: that keeps no server from starting. */
function passedOver(caFile: string | null, code: string): string {
  return `The certificates that pip here is told to trust, ${caFile}, are no readable file (${code}); they are passed over.`;
}

type Auto = Extract<RepositoryConfig, { kind: 'upstream' }>;

function isAuto(repository: RepositoryConfig): repository is Auto {
  return repository.kind === 'upstream' && repository.url === 'auto';
}

function pointed(repository: Auto, index: PipIndex): Auto {
  return {
    ...repository,
    url: index.url,
    urlFrom: index.from,
    username: repository.username ?? index.username,
    password: repository.password ?? index.password,
    caFile: repository.caFile ?? index.caFile,
    proxy: repository.proxy === 'environment' ? (index.proxy ?? 'environment') : repository.proxy,
  };
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\]|0\.0\.0\.0|\[::\])$/;
const EVERYWHERE = ['0.0.0.0', '::'];

/** Is `url` an address that this server answers at? */
function isOwn(url: URL, { listen, publicUrl }: Config): boolean {
  if (publicUrl !== null && new URL(publicUrl).origin === url.origin) return true;
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  if (listen.port === 0 || port !== listen.port) return false;
  const host = url.hostname;
  if (LOOPBACK.test(host) || host === listen.host || host === `[${listen.host}]`) return true;
  return EVERYWHERE.includes(listen.host) && machineNames().has(host);
}

function machineNames(): ReadonlySet<string> {
  const addresses = Object.values(networkInterfaces()).flatMap((one) => one ?? []);
  const hosts = addresses.map(({ address, family }) => (family === 'IPv6' ? `[${address}]` : address));
  return new Set([hostname().toLowerCase(), ...hosts]);
}
