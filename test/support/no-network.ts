/**
 * Preload of test runs (`node --import ./test/support/no-network.ts`): a connection to anything but loopback or a local socket fails,
 * and no name but `localhost` is looked up. What code sees is what a machine without a network shows it: `ENOTFOUND` for names,
 * `ENETUNREACH` for addresses.
 */
import dns from 'node:dns';
import { Socket } from 'node:net';

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?|\[?::ffff:127(?:\.\d{1,3}){3}\]?)$/i;
const ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[?[0-9a-f:]*:[0-9a-f:.]*\]?)$/i;

interface ConnectOptions {
  readonly host?: string;
  readonly path?: string;
  readonly lookup?: (name: string, options: object, callback: Callback) => void;
}

type Callback = (error: Error | null, ...rest: unknown[]) => void;

// `net.connect` and `tls.connect` hand over an array that they have normalised; others call with plain arguments.
const connect = Socket.prototype.connect as (this: Socket, ...args: unknown[]) => Socket;
Socket.prototype.connect = function guarded(this: Socket, ...args: unknown[]): Socket {
  const given: unknown[] = Array.isArray(args[0]) ? args[0] : args;
  const host = hostOf(given);
  if (host === undefined || LOOPBACK.test(host)) return connect.apply(this, args);
  const [options] = given as [ConnectOptions];
  if (options.lookup && !ADDRESS.test(host)) {
    // Whoever brings a resolver may call loopback by any name.
    return connect.call(this, { ...options, lookup: loopbackOnly(options.lookup) }, ...given.slice(1));
  }
  const code = ADDRESS.test(host) ? 'ENETUNREACH' : 'ENOTFOUND';
  const error = Object.assign(new Error(`${code}: tests may not reach ${host}`), { code, syscall: 'connect' });
  process.nextTick(() => this.destroy(error));
  return this;
};

function loopbackOnly(resolve: NonNullable<ConnectOptions['lookup']>): ConnectOptions['lookup'] {
  return (name, options, callback) => {
    resolve(name, options, (error, found, ...rest) => {
      const addresses = Array.isArray(found) ? found.map(({ address }) => String(address)) : [String(found)];
      if (error === null && !addresses.every((address) => LOOPBACK.test(address))) callback(notFound(name));
      else callback(error, found, ...rest);
    });
  };
}

const lookup = dns.lookup as unknown as (name: string, ...rest: unknown[]) => void;
Object.assign(dns, {
  lookup(name: string, ...rest: unknown[]): void {
    if (LOOPBACK.test(name) || ADDRESS.test(name)) {
      lookup(name, ...rest);
      return;
    }
    const callback = rest.at(-1) as Callback;
    process.nextTick(() => callback(notFound(name)));
  },
});
const lookupAsync = dns.promises.lookup as (name: string, options?: object) => Promise<unknown>;
Object.assign(dns.promises, {
  async lookup(name: string, options?: object): Promise<unknown> {
    if (LOOPBACK.test(name) || ADDRESS.test(name)) return lookupAsync(name, options);
    throw notFound(name);
  },
});

function notFound(name: string): Error {
  return Object.assign(new Error(`ENOTFOUND: tests may not look up ${name}`), {
    code: 'ENOTFOUND',
    syscall: 'getaddrinfo',
  });
}

/** The host that is to be connected to; `undefined` for a local socket or when Node takes localhost. */
function hostOf(args: readonly unknown[]): string | undefined {
  const [first, second] = args;
  if (typeof first === 'object' && first !== null) {
    const { host, path } = first as ConnectOptions;
    return path === undefined ? host : undefined;
  }
  if (typeof first === 'string' && Number.isNaN(Number(first))) return undefined;
  return typeof second === 'string' ? second : undefined;
}
