import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { ForwardedReader } from './trusted-proxy.ts';

/**
 * The address that a request came to, for what we print: `publicUrl`, else what the request or a trusted proxy says, else where we listen.
 * Always one that can be parsed, without a slash at its end.
 */
export function ownAddress(
  config: { readonly publicUrl: string | null; readonly listen: { readonly host: string; readonly port: number } },
  forwarded: ForwardedReader,
): (req: IncomingMessage) => string {
  const { host: name, port } = config.listen;
  const listening = `${isIP(name) === 6 ? `[${name}]` : name}:${port}`;
  const here = URL.canParse(`http://${listening}`) ? listening : `localhost:${port}`;
  return (req) => {
    if (config.publicUrl !== null) return config.publicUrl;
    const { protocol, host = here, prefix } = forwarded(req);
    return `${protocol}://${host}${prefix}`;
  };
}
