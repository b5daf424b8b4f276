import type { IncomingMessage } from 'node:http';

/** What is wrong with the head of a request that Node has let through, in a sentence. */
export function faultOfHead(req: IncomingMessage): string | undefined {
  return faultOfHost(req) ?? faultOfCoding(req);
}

/** RFC 9112, 3.2. */
function faultOfHost({ headers, rawHeaders, httpVersion }: IncomingMessage): string | undefined {
  if (headers.host === undefined) return httpVersion === '1.0' ? undefined : 'A header is missing: Host.';
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index];
    if (name?.length === 4 && name.toLowerCase() === 'host') count += 1;
  }
  return count > 1 ? 'There is more than one header Host.' : undefined;
}

/** RFC 9112, 6.1: what is packed for the way would be stored packed, since Node undoes `chunked` alone. */
function faultOfCoding({ headers }: IncomingMessage): string | undefined {
  const coding = headers['transfer-encoding'];
  if (coding === undefined || coding.trim().toLowerCase() === 'chunked') return undefined;
  return 'Transfer-Encoding may be chunked and nothing else.';
}
