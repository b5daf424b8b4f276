import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

/** PEM. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** A self-signed certificate of 127.0.0.1 and localhost, made on the spot: trusted by nobody who is not told to. */
export function selfSigned(commonName = 'localhost'): Certificate {
  const keys = newKeys();
  return { key: pemKey(keys), cert: signed({ commonName, issuer: commonName, isAuthority: true, of: keys, by: keys }) };
}

/** A certificate of 127.0.0.1 and localhost from an authority of its own, for clients that take no authority for a server. */
export function issued(): Certificate & { readonly authority: string } {
  const issuer = 'An authority of a test';
  const authority = newKeys();
  const keys = newKeys();
  return {
    key: pemKey(keys),
    cert: signed({ commonName: 'localhost', issuer, isAuthority: false, of: keys, by: authority }),
    authority: signed({ commonName: issuer, issuer, isAuthority: true, of: authority, by: authority }),
  };
}

type Keys = ReturnType<typeof newKeys>;

function newKeys() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

function pemKey({ privateKey }: Keys): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

interface Statement {
  readonly commonName: string;
  readonly issuer: string;
  readonly isAuthority: boolean;
  readonly of: Keys;
  readonly by: Keys;
}

function signed({ commonName, issuer, isAuthority, of, by }: Statement): string {
  const names = sequence(tlv(0x82, Buffer.from('localhost')), tlv(0x87, Buffer.from([127, 0, 0, 1])));
  const authority = sequence(
    BASIC_CONSTRAINTS,
    tlv(0x04, sequence(...(isAuthority ? [tlv(0x01, Buffer.from([0xff]))] : []))),
  );
  const extensions = sequence(authority, sequence(SUBJECT_ALT_NAME, tlv(0x04, names)));
  const body = sequence(
    tlv(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    sequence(ECDSA_WITH_SHA256),
    nameOf(issuer),
    sequence(tlv(0x17, Buffer.from('200101000000Z')), tlv(0x17, Buffer.from('491231235959Z'))),
    nameOf(commonName),
    of.publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, extensions),
  );
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', body, by.privateKey)]);
  const der = sequence(body, sequence(ECDSA_WITH_SHA256), tlv(0x03, signature));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function nameOf(commonName: string): Buffer {
  return sequence(set(sequence(COMMON_NAME, tlv(0x0c, Buffer.from(commonName)))));
}

const COMMON_NAME = tlv(0x06, Buffer.from('550403', 'hex'));
const BASIC_CONSTRAINTS = tlv(0x06, Buffer.from('551d13', 'hex'));
const SUBJECT_ALT_NAME = tlv(0x06, Buffer.from('551d11', 'hex'));
const ECDSA_WITH_SHA256 = tlv(0x06, Buffer.from('2a8648ce3d040302', 'hex'));

function sequence(...parts: readonly Buffer[]): Buffer {
  return tlv(0x30, Buffer.concat(parts));
}

function set(...parts: readonly Buffer[]): Buffer {
  return tlv(0x31, Buffer.concat(parts));
}

function integer(bytes: Buffer): Buffer {
  return tlv(0x02, bytes);
}

/** Tag, length, value, as DER has them (X.690). */
function tlv(tag: number, value: Buffer): Buffer {
  const { length } = value;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), value]);
}
