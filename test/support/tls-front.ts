import { type AddressInfo, connect } from 'node:net';
import { createServer } from 'node:tls';
import { issued } from './certificate.ts';

/** A server of a test behind TLS, as a reverse proxy would have it. */
export interface TlsFront {
  /** Without a slash at the end. */
  readonly url: string;
  /** PEM of the authority that clients have to be told of. */
  readonly authority: string;
}

/** Puts TLS in front of a server on loopback, byte for byte; it ends with the test. */
export async function tlsFront(t: { after(fn: () => void): void }, url: string): Promise<TlsFront> {
  const { key, cert, authority } = issued();
  const { hostname, port } = new URL(url);
  const server = createServer({ key, cert }, (client) => {
    const to = connect(Number(port), hostname);
    client.pipe(to).pipe(client);
    for (const [one, other] of [
      [client, to],
      [to, client],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
    t.after(() => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
  });
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, authority };
}
