import { isIP, type LookupFunction } from 'node:net';
import { type Guard, hostOf, isPrivateAddress } from '../../upstream/address-guard.ts';
import { checkedLookup } from '../../upstream/checked-lookup.ts';
import { UpstreamError } from '../../upstream/errors.ts';
import { HostList, isWebAddress } from '../../upstream/host-list.ts';
import { type Resolve, systemResolve } from '../../upstream/resolve.ts';

/**
 * Lets requests for URL and VCS requirements go to the hosts of the configuration alone (`fetch.allowHosts`: `host` for the usual ports, or
 * `host:port`), after each redirect too. A name that resolves to a private address is refused; an address that is written out is not.
 */
export class AllowedHosts implements Guard {
  readonly #allowed: HostList;
  readonly #resolve: Resolve;

  constructor(hosts: readonly string[], resolve: Resolve = systemResolve) {
    this.#allowed = new HostList(hosts);
    this.#resolve = resolve;
  }

  /** An address that is written out in the configuration: there is no name that could lead elsewhere. */
  isOwn(url: URL): boolean {
    return this.#allowed.has(url) && isIP(hostOf(url)) !== 0;
  }

  async check(url: URL): Promise<void> {
    if (!isWebAddress(url)) throw refused('neither http nor https');
    if (url.username !== '' || url.password !== '') throw refused('with credentials in it, which would be kept');
    if (!this.#allowed.has(url)) throw refused(`at ${url.host}, which is not among fetch.allowHosts`);
  }

  /** The addresses of a host, checked, for whoever connects by itself. Empty for an address that is written out. */
  async addresses(url: URL): Promise<readonly string[]> {
    if (this.isOwn(url)) return [];
    return (await this.#publicAddresses(hostOf(url))).map(({ address }) => address);
  }

  /** Checks the name's addresses and hands over just these, so that the name cannot lead elsewhere a moment later. */
  readonly lookup: LookupFunction = checkedLookup((hostname) => this.#publicAddresses(hostname));

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
