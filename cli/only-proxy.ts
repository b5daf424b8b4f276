import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

/** A proxy on loopback through which one server can be reached, and nothing else. */
export interface OnlyProxy {
  readonly url: string;
  /** Hosts that somebody wanted to reach besides. */
  refused(): readonly string[];
  close(): Promise<void>;
}

/** Starts a proxy for `server` alone. */
export async function onlyProxy(server: URL): Promise<OnlyProxy> {
  const refused = new Set<string>();
  const own = hostAndPort(server);
  const sockets = new Set<Socket>();
  const proxy = createServer((incoming, outgoing) => {
    const url = URL.parse(incoming.url ?? '');
    if (url !== null && hostAndPort(url) === own && url.protocol === 'http:') forward(url, incoming, outgoing);
    else {
      refused.add(url?.host ?? 'an address without a host');
      outgoing
        .writeHead(403, { 'content-type': 'text/plain' })
        .end('Only the Stormcellar server can be reached in a drill.\n');
    }
  });
  proxy.on('connect', (incoming: IncomingMessage, socket: Socket, head: Buffer) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    const target = URL.parse(`https://${incoming.url}`);
    if (target === null || `${target.hostname}:${target.port || '443'}` !== own) {
      refused.add(target?.hostname ?? 'an address without a host');
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
      return;
    }
    const onward = connect(Number(target.port || 443), target.hostname.replace(/^\[|\]$/g, ''), () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    onward.once('error', () => socket.destroy());
    socket.once('close', () => onward.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const { port } = proxy.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    refused: () => [...refused],
    close: async () => {
      for (const socket of sockets) socket.destroy();
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}

function forward(url: URL, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const { 'proxy-connection': _, 'proxy-authorization': __, ...headers } = incoming.headers;
  const onward = request(url, { method: incoming.method, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
  });
  onward.once('error', () => outgoing.destroy());
  outgoing.once('close', () => onward.destroy());
  incoming.pipe(onward);
}

function hostAndPort(url: URL): string {
  return `${url.hostname}:${url.port || (url.protocol === 'https:' ? '443' : '80')}`;
}
