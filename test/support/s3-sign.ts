import { createHash, createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

export interface SigningKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

/**
 * Signs a request anew after a proxy changed it: AWS Signature Version 4 with an unsigned payload. Takes the date from
 * `x-amz-date`, and needs `host` in `headers`.
 */
export function signAgain(
  key: SigningKey,
  method: string,
  url: string,
  headers: IncomingHttpHeaders,
): IncomingHttpHeaders {
  const { authorization: _, ...rest } = headers;
  const signed: IncomingHttpHeaders = { ...rest, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
  const names = Object.keys(signed)
    .filter((name) => name === 'host' || name.startsWith('x-amz-') || name.startsWith('if-'))
    .sort();
  const date = String(signed['x-amz-date']);
  const [path = '', query = ''] = url.split('?');
  const canonicalQuery = query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => (pair.includes('=') ? pair : `${pair}=`))
    .sort()
    .join('&');
  const canonical = [
    method,
    path,
    canonicalQuery,
    ...names.map((name) => `${name}:${String(signed[name]).trim()}`),
    '',
    names.join(';'),
    'UNSIGNED-PAYLOAD',
  ].join('\n');
  const scope = `${date.slice(0, 8)}/${key.region}/s3/aws4_request`;
  const hashed = createHash('sha256').update(canonical).digest('hex');
  const text = `AWS4-HMAC-SHA256\n${date}\n${scope}\n${hashed}`;
  const signingKey = scope
    .split('/')
    .reduce<string | Buffer>((secret, part) => hmac(secret, part), `AWS4${key.secretAccessKey}`);
  const signature = hmac(signingKey, text).toString('hex');
  const credential = `Credential=${key.accessKeyId}/${scope}`;
  signed.authorization = `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return signed;
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
