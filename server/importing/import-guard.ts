import { lookup as systemLookup } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { AddressGuard, type Guard, isForNobody, type Resolve } from '../upstream/address-guard.ts';
import { UpstreamError } from '../upstream/errors.ts';

const systemResolve: Resolve = (hostname) => systemLookup(hostname, { all: true });

const PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/**
 * Where an import may go (ADR 18). An administrator names the index, so it may be inside a private network; what it links and redirects to may be
 * so only when it is itself. Link-local addresses, where clouds keep their metadata, are refused to both. With a list of hosts
 * (`import.allowHosts`: `host` for the usual ports, or `host:port`) nothing else is asked.
 */
export class ImportGuard implements Guard {
  readonly #own: URL;
  readonly #allowed: ReadonlySet<string> | undefined;
  readonly #others: AddressGuard;
  readonly #resolve: Resolve;

  constructor(own: URL, allowHosts: readonly string[] | null, resolve: Resolve = systemResolve) {
    this.#own = own;
    this.#allowed = allowHosts === null ? undefined : new Set(allowHosts.flatMap(spellings));
    this.#others = new AddressGuard([own], resolve);
    this.#resolve = resolve;
  }

  /** Never: each look-up is checked, that of the index's own name as well. */
  isOwn(): boolean {
    return false;
  }

  async check(url: URL): Promise<void> {
    if (!(url.protocol in PORTS)) throw refused('neither http nor https');
    if (this.#allowed?.has(`${url.hostname}:${url.port || PORTS[url.protocol]}`) === false)
      throw refused(`at ${url.host}, which is not among import.allowHosts`);
    const host = bare(url.hostname);
    if (isIP(host) !== 0 && isForNobody(host)) throw refused('that no index has');
    if (url.origin !== this.#own.origin) await this.#others.check(url);
  }

  readonly lookup: LookupFunction = (hostname, options, callback) => {
    if (hostname !== bare(this.#own.hostname)) {
      this.#others.lookup(hostname, options, callback);
      return;
    }
    this.#ownAddresses(hostname).then(
      (addresses) => {
        const fitting = options.family ? addresses.filter(({ family }) => family === options.family) : addresses;
        const [first = addresses[0]] = fitting;
        if (options.all) callback(null, [...fitting]);
        else callback(null, first?.address ?? '', first?.family);
      },
      (error: NodeJS.ErrnoException) => callback(error, ''),
    );
  };

  async #ownAddresses(hostname: string): Promise<Awaited<ReturnType<Resolve>>> {
    const addresses = await this.#resolve(hostname);
    if (addresses.length === 0) throw new UpstreamError('unreachable', 'its name cannot be resolved');
    if (addresses.some(({ address }) => isForNobody(address))) throw refused('whose name leads to where no index is');
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

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}
