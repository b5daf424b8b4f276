import { type IncomingHttpHeaders, request } from 'node:http';

export interface RawResponse {
  readonly status: number;
  readonly statusMessage: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Sends a request whose path is not tidied up on the way, as `fetch` would. `base` is the server's address. */
export function rawRequest(
  base: string,
  options: {
    readonly method?: string;
    readonly path: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: Buffer | string;
  },
): Promise<RawResponse> {
  const { hostname, port } = new URL(base);
  const { body, ...sendable } = options;
  return new Promise((resolve, reject) => {
    const outgoing = request({ hostname, port, agent: false, ...sendable }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const { statusCode = 0, statusMessage = '', headers } = incoming;
        resolve({ status: statusCode, statusMessage, headers, body: Buffer.concat(chunks).toString('utf8') });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
