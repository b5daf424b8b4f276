import { BlockList, isIP, type LookupFunction } from 'node:net';
import { checkedLookup } from './checked-lookup.ts';
import { UpstreamError } from './errors.ts';
import { type Resolve, systemResolve } from './resolve.ts';

// Addresses of this machine and of networks that are not public (RFC 1122, 1918, 4193, 6598, 2544).
const INSIDE = listOf([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '::/128',
  '::1/128',
  'fc00::/7',
]);
// Where clouds keep their metadata (RFC 3927, 4291), and what is no address of one host.
const NEVER = listOf(['169.254.0.0/16', 'fe80::/10', '224.0.0.0/3', 'ff00::/8']);

/** Says where requests may go. What it refuses it throws as `UpstreamError`. */
export interface Guard {
  /** Is the origin trusted whatever its name resolves to? */
  isOwn(url: URL): boolean;
  /** What can be told without a look-up. */
  check(url: URL): Promise<void>;
  /** For sockets to origins that are not trusted. */
  readonly lookup: LookupFunction;
}

/** Is it an address of this machine, of a network that is not public, of a cloud's metadata, or of no single host? */
export function isPrivateAddress(address: string): boolean {
  return isForNobody(address) || isInside(address);
}

/** Is it an address where no index can be: link-local, where clouds keep their metadata, or of no single host? */
export function isForNobody(address: string): boolean {
  return isIn(NEVER, address) || embedded(address).some(isForNobody);
}

/** Is it an address of this machine, or of a network that is not public? */
function isInside(address: string): boolean {
  return isIn(INSIDE, address) || embedded(address).some(isInside);
}

/** The IPv4 addresses that an IPv6 one leads to (RFC 3056, 4291, 6052). */
function embedded(address: string): readonly string[] {
  if (isIP(address) !== 6) return [];
  const url = URL.parse(`http://[${address}]`);
  const [head = '', tail = ''] = (url?.hostname ?? '').slice(1, -1).split('::');
  const words = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const front = words(head);
  const back = words(tail);
  const all = [...front, ...Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0'), ...back];
  const [a = 0, b = 0, c = 0, , , , g = 0, h = 0] = all.map((word) => Number.parseInt(word, 16));
  const dotted = (high: number, low: number): string => [high >> 8, high & 255, low >> 8, low & 255].join('.');
  if (a === 0x2002) return [dotted(b, c)];
  const isNat64 = a === 0x64 && b === 0xff9b;
  const isCompatible = all.slice(0, 6).every((word) => Number.parseInt(word, 16) === 0);
  return isNat64 || isCompatible ? [dotted(g, h)] : [];
}

/**
 * Keeps links and redirects of an index from leading us to where only we can go. The index's own origins are always allowed. Other
 * addresses inside private networks are allowed only to an index that is inside one itself, link-local addresses to none.
 */
export class AddressGuard implements Guard {
  readonly #own: readonly URL[];
  readonly #resolve: Resolve;

  /** `own`: the addresses of the index and its fallbacks. */
  constructor(own: readonly URL[], resolve: Resolve = systemResolve) {
    this.#own = own;
    this.#resolve = resolve;
  }

  isOwn(url: URL): boolean {
    return this.#own.some((own) => own.origin === url.origin);
  }

  /** What can be told without a look-up: scheme and written-out addresses. Throws `UpstreamError`. */
  async check(url: URL): Promise<void> {
    if (url.protocol !== 'http:' && url.protocol !== 'https:') {
      throw new UpstreamError('answer', 'it leads to an address that is neither http nor https');
    }
    if (this.isOwn(url)) return;
    const host = hostOf(url);
    if (isIP(host) !== 0) await this.#admit([host]);
    else if (host === 'localhost' || host.endsWith('.localhost')) await this.#admit(['127.0.0.1']);
  }

  /** For sockets to origins other than the index's own: the name's addresses are checked and then used, so that they cannot change between. */
  readonly lookup: LookupFunction = checkedLookup(async (hostname) => {
    const addresses = await this.#resolve(hostname);
    await this.#admit(addresses.map(({ address }) => address));
    return addresses;
  });

  async #admit(addresses: readonly string[]): Promise<void> {
    const refused = addresses.some(isForNobody);
    const inside = addresses.some(isInside);
    if (!refused && (!inside || (await this.#isInside()))) return;
    throw new UpstreamError('answer', 'it leads to an address inside a private network');
  }

  /** Is the index itself inside a private network? Asked of the resolver each time: names move. */
  async #isInside(): Promise<boolean> {
    for (const url of this.#own) {
      const host = hostOf(url);
      try {
        const addresses = isIP(host) !== 0 ? [{ address: host }] : await this.#resolve(host);
        if (addresses.some(({ address }) => isInside(address))) return true;
      } catch {
        // A name that cannot be resolved makes nothing private.
      }
    }
    return false;
  }
}

/** Its host, an IPv6 address without its brackets. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
}

function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    list.addSubnet(address, Number(bits), address.includes(':') ? 'ipv6' : 'ipv4');
  }
  return list;
}

/** IPv4 addresses written as IPv6 count as what they are. */
function isIn(list: BlockList, address: string): boolean {
  const plain = address.split('%', 1)[0] ?? address;
  return list.check(plain, isIP(plain) === 6 ? 'ipv6' : 'ipv4');
}
