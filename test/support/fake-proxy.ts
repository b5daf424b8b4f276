import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { pipeline } from 'node:stream';

/** An outbound proxy on loopback that leads every name to one place. */
export interface FakeProxy {
  readonly url: string;
  /** What was asked of it: `GET http://…` or `CONNECT host:port`, with the headers. */
  readonly asked: readonly { readonly what: string; readonly headers: IncomingHttpHeaders }[];
}

/** Starts a proxy that ends with the test. `to`: where all connections end, whatever name they were meant for. */
export async function fakeProxy(t: { after(fn: () => Promise<void>): void }, to: URL): Promise<FakeProxy> {
  const asked: { what: string; headers: IncomingHttpHeaders }[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((incoming, response) => {
    asked.push({ what: `${incoming.method} ${incoming.url}`, headers: incoming.headers });
    const path = new URL(incoming.url ?? '').pathname;
    const onward = request({ host: to.hostname, port: to.port, path, headers: incoming.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      pipeline(answer, response, () => {});
    });
    onward.on('error', () => response.writeHead(502).end());
    onward.end();
  });
  server.on('connect', (incoming, socket) => {
    asked.push({ what: `CONNECT ${incoming.url}`, headers: incoming.headers });
    const onward = connect(Number(to.port), to.hostname, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      pipeline(socket, onward, socket, () => {});
    });
    onward.on('error', () => socket.destroy());
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}
