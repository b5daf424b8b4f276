import { type AddressInfo, connect, createServer } from 'node:net';
import { TLSSocket } from 'node:tls';
import { issued } from './certificate.ts';

/**
 * A PostgreSQL server that is reached over a unix socket, offered on loopback with encryption, as it offers it itself where it listens
 * there. Answers its address and the authority (PEM) that clients have to be told of. It ends with the test.
 */
export async function postgresWithTls(
  t: { after(fn: () => void): void },
  url: string,
): Promise<{ readonly url: string; readonly authority: string }> {
  const { key, cert, authority } = issued();
  const folder = new URLSearchParams(url.slice(url.indexOf('?'))).get('host');
  const server = createServer((client) => {
    client.on('error', () => {});
    // https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL
    client.once('data', (request) => {
      if (request.length !== 8) return client.destroy();
      client.write('S');
      const safe = new TLSSocket(client, { isServer: true, key, cert });
      const engine = connect({ path: `${folder}/.s.PGSQL.5432` });
      safe.pipe(engine).pipe(safe);
      for (const [one, other] of [
        [safe, engine],
        [engine, safe],
      ] as const) {
        one.on('error', () => other.destroy());
        one.on('close', () => other.destroy());
      }
      t.after(() => engine.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: url.replace(/@\/(\w+)\?.*/, `@127.0.0.1:${port}/$1`), authority };
}
