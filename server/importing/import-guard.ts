import { isIP, type LookupFunction } from 'node:net';
import { AddressGuard, type Guard, hostOf, isForNobody } from '../upstream/address-guard.ts';
import { checkedLookup } from '../upstream/checked-lookup.ts';
import { UpstreamError } from '../upstream/errors.ts';
import { HostList, isWebAddress } from '../upstream/host-list.ts';
import { type Resolve, systemResolve } from '../upstream/resolve.ts';

/**
 * Where an import may go (ADR 18). An administrator names the index, so it may be inside a private network; what it links and redirects to may be
 * so only when it is itself. Link-local addresses, where clouds keep their metadata, are refused to both. With a list of hosts
 * (`import.allowHosts`: `host` for the usual ports, or `host:port`) nothing else is asked.
 */
export class ImportGuard implements Guard {
  readonly #own: URL;
  readonly #allowed: HostList | undefined;
  readonly #others: AddressGuard;
  readonly #resolve: Resolve;

  constructor(own: URL, allowHosts: readonly string[] | null, resolve: Resolve = systemResolve) {
    this.#own = own;
    this.#allowed = allowHosts === null ? undefined : new HostList(allowHosts);
    this.#others = new AddressGuard([own], resolve);
    this.#resolve = resolve;
  }

  /** Never: each look-up is checked, that of the index's own name as well. */
  isOwn(): boolean {
    return false;
  }

  async check(url: URL): Promise<void> {
    if (!isWebAddress(url)) throw refused('neither http nor https');
    if (this.#allowed?.has(url) === false) throw refused(`at ${url.host}, which is not among import.allowHosts`);
    const host = hostOf(url);
    if (isIP(host) !== 0 && isForNobody(host)) throw refused('that no index has');
    if (url.origin !== this.#own.origin) await this.#others.check(url);
  }

  readonly lookup: LookupFunction = (hostname, options, callback) => {
    const look = hostname === hostOf(this.#own) ? this.#ownLookup : this.#others.lookup;
    look(hostname, options, callback);
  };

  readonly #ownLookup = checkedLookup((hostname) => this.#ownAddresses(hostname));

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
