import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, type Socket } from 'node:net';

/** What a request says of its client, believed only from peers that may say it. */
interface ForwardedFacts {
  /** The client's address; an IPv4 address is never in its IPv6 form. */
  readonly address: string;
  readonly protocol: 'http' | 'https';
  /** Host and port as the client wrote them, or `undefined` when nobody said, or nothing that is one. */
  readonly host: string | undefined;
  /** The path that a proxy has taken off the front, such as `/cellar`; mostly none. */
  readonly prefix: string;
}

/** Tells of a request where it came from. */
export type ForwardedReader = (req: IncomingMessage) => ForwardedFacts;

// A chain of more proxies is a joke or an attack.
const LONGEST_CHAIN = 20;
const PREFIX = /^(?:\/[A-Za-z0-9._~-]+){0,20}\/?$/;
const HOST = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;

/**
 * A reader that believes `X-Forwarded-For`, `-Proto`, `-Host` and `-Prefix` from these addresses and networks (CIDR) alone. The client is the
 * last address in the chain that is not itself one of them; what stands before it anybody may have written. Malformed values are
 * passed over. Throws `TypeError` for an entry that is no address or network.
 */
export function forwardedReader(trustProxy: readonly string[]): ForwardedReader {
  const trusted = blockList(trustProxy);
  const isTrusted = (address: string) => trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  return (req) => {
    const peer = peerOf(req.socket);
    const encrypted = 'encrypted' in req.socket && req.socket.encrypted === true;
    const direct = new DirectFacts(req, peer, encrypted);
    if (trustProxy.length === 0 || !isTrusted(peer)) return direct;
    return {
      address: clientOf(peer, listOf(req.headers['x-forwarded-for']), isTrusted),
      protocol: protocolOf(listOf(req.headers['x-forwarded-proto'])) ?? direct.protocol,
      host: hostOf(listOf(req.headers['x-forwarded-host'])) ?? direct.host,
      prefix: prefixOf(listOf(req.headers['x-forwarded-prefix'])),
    };
  };
}

// On the connection itself: many requests come over one.
const PEER = Symbol('peer');

function peerOf(socket: Socket & { [PEER]?: string }): string {
  socket[PEER] ??= plainAddress(socket.remoteAddress ?? '') ?? '0.0.0.0';
  return socket[PEER];
}

/** What is seen of the connection itself. The host is looked at by few: most requests are only asked where they come from. */
class DirectFacts implements ForwardedFacts {
  readonly address: string;
  readonly protocol: 'http' | 'https';
  readonly prefix = '';
  readonly #req: IncomingMessage;

  constructor(req: IncomingMessage, peer: string, encrypted: boolean) {
    this.address = peer;
    this.protocol = encrypted ? 'https' : 'http';
    this.#req = req;
  }

  get host(): string | undefined {
    return hostOf(listOf(this.#req.headers.host));
  }
}

function clientOf(peer: string, chain: readonly string[], isTrusted: (address: string) => boolean): string {
  let client = peer;
  for (const entry of chain.slice(-LONGEST_CHAIN).reverse()) {
    const address = plainAddress(entry);
    if (address === undefined) return client;
    client = address;
    if (!isTrusted(address)) return client;
  }
  return client;
}

/** The address without port, brackets, zone, or the IPv6 wrapping of an IPv4 address; `undefined` when it is none. */
function plainAddress(text: string): string | undefined {
  if (isIP(text) === 4) return text;
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([0-9.]+):\d+$/.exec(text)?.[1] ?? text;
  const address = (/^::ffff:([0-9.]+)$/i.exec(bare)?.[1] ?? bare).split('%', 1)[0] ?? '';
  return isIP(address) === 0 ? undefined : address;
}

// The proxy nearest to us wrote last.
function protocolOf(values: readonly string[]): 'http' | 'https' | undefined {
  const value = values.at(-1)?.toLowerCase();
  return value === 'http' || value === 'https' ? value : undefined;
}

function prefixOf(values: readonly string[]): string {
  const value = values.at(-1) ?? '';
  return PREFIX.test(value) ? value.replace(/\/$/, '') : '';
}

function hostOf(values: readonly string[]): string | undefined {
  const value = values.at(-1);
  // The second part refuses ports and addresses beyond their range.
  return value !== undefined && HOST.test(value) && URL.canParse(`http://${value}`) ? value : undefined;
}

function listOf(header: string | string[] | undefined): readonly string[] {
  const text = Array.isArray(header) ? header.join(',') : (header ?? '');
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function blockList(entries: readonly string[]): BlockList {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = '', bits] = entry.split('/', 2);
    const version = isIP(address);
    if (version === 0) throw new TypeError(`not an address or a network: ${entry}`);
    const family = version === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}
