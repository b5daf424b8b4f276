const PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/** Hosts of the configuration: `host` for the usual ports, or `host:port`. */
export class HostList {
  readonly #hosts: ReadonlySet<string>;

  constructor(hosts: readonly string[]) {
    this.#hosts = new Set(hosts.flatMap(spellings));
  }

  /** Decimal, octal and hexadecimal forms of addresses have become the usual one in the URL. */
  has(url: URL): boolean {
    return this.#hosts.has(`${url.hostname}:${url.port || PORTS[url.protocol]}`);
  }
}

/** Is it an address of http or https? */
export function isWebAddress({ protocol }: URL): boolean {
  return protocol in PORTS;
}

/** `host:port` as URLs spell it, of both usual ports when none is given. */
function spellings(host: string): readonly string[] {
  const url = URL.parse(`http://${host}/`);
  if (url === null) return [];
  if (/:\d+$/.test(host)) return [`${url.hostname}:${Number(/:(\d+)$/.exec(host)?.[1])}`];
  return Object.values(PORTS).map((port) => `${url.hostname}:${port}`);
}
