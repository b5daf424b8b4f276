import { lookup as systemLookup } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { type Guard, isPrivateAddress, type Resolve } from '../../upstream/address-guard.ts';
import { UpstreamError } from '../../upstream/errors.ts';

const systemResolve: Resolve = (hostname) => systemLookup(hostname, { all: true });

const PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/**
 * Lets requests for URL and VCS requirements go to the hosts of the configuration alone (`fetch.allowHosts`: `host` for the usual ports, or
 * `host:port`), after each redirect too. A name that resolves to a private address is refused; an address that is written out is not.
 */
export class AllowedHosts implements Guard {
  readonly #allowed: ReadonlySet<string>;
  readonly #resolve: Resolve;

  constructor(hosts: readonly string[], resolve: Resolve = systemResolve) {
    this.#allowed = new Set(hosts.flatMap(spellings));
    this.#resolve = resolve;
  }

  /** An address that is written out in the configuration: there is no name that could lead elsewhere. */
  isOwn(url: URL): boolean {
    return this.#allowed.has(hostAndPort(url)) && isIP(bare(url.hostname)) !== 0;
  }

  async check(url: URL): Promise<void> {
    if (!(url.protocol in PORTS)) throw refused('neither http nor https');
    if (url.username !== '' || url.password !== '') throw refused('with credentials in it, which would be kept');
    // Decimal, octal and hexadecimal forms of addresses have become the usual one in the URL.
    if (!this.#allowed.has(hostAndPort(url))) throw refused(`at ${url.host}, which is not among fetch.allowHosts`);
  }

  /** The addresses of a host, checked, for whoever connects by itself. Empty for an address that is written out. */
  async addresses(url: URL): Promise<readonly string[]> {
    if (this.isOwn(url)) return [];
    return (await this.#publicAddresses(bare(url.hostname))).map(({ address }) => address);
  }

  /** Checks the name's addresses and hands over just these, so that the name cannot lead elsewhere a moment later. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.#publicAddresses(hostname).then(
      (addresses) => {
        const fitting = options.family ? addresses.filter(({ family }) => family === options.family) : addresses;
        const [first = addresses[0]] = fitting;
        if (options.all) callback(null, [...fitting]);
        else callback(null, first?.address ?? '', first?.family);
      },
      (error: NodeJS.ErrnoException) => callback(error, ''),
    );
  };

  async #publicAddresses(hostname: string): Promise<Awaited<ReturnType<Resolve>>> {
    const addresses = await this.#resolve(hostname);
    if (addresses.length === 0) throw new UpstreamError('unreachable', 'its name cannot be resolved');
    if (addresses.some(({ address }) => isPrivateAddress(address)))
      throw refused('whose name leads to an address inside a private network');
    return addresses;
  }
}

function refused(what: string): UpstreamError {
  return new UpstreamError('here', `it is an address ${what}`);
}

/** `host:port` as URLs spell it, of both usual ports when none is given. */
function spellings(host: string): readonly string[] {
  const url = URL.parse(`http://${host}/`);
  if (url === null) return [];
  if (/:\d+$/.test(host)) return [`${url.hostname}:${Number(/:(\d+)$/.exec(host)?.[1])}`];
  return Object.values(PORTS).map((port) => `${url.hostname}:${port}`);
}

function hostAndPort(url: URL): string {
  return `${url.hostname}:${url.port || PORTS[url.protocol]}`;
}

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}
