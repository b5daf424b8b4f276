import type { DistributionFile, Hashes } from '../model/distribution-file.ts';
import { safeFilename } from '../model/filename.ts';
import { readAddress } from './read-address.ts';
import { normaliseUploadTime } from './upload-time.ts';

/** A file as a page has it; nothing has been checked. `null` counts as absent. */
export interface RawFile {
  readonly filename: unknown;
  /** Absolute or relative; a fragment may carry hashes. An `URL` is taken over. */
  readonly url: unknown;
  readonly hashes?: unknown;
  readonly requiresPython?: unknown;
  readonly size?: unknown;
  readonly uploadTime?: unknown;
  readonly yanked?: unknown;
  /** `true`, an object of hashes, or `alg=hex`. */
  readonly coreMetadata?: unknown;
  readonly provenance?: unknown;
  readonly extra?: Readonly<Record<string, unknown>>;
}

// Ours, against pages that are made to be large.
const MAX_TEXT = 4096;

const HEX_LENGTH: Readonly<Record<string, number>> = {
  md5: 32,
  sha1: 40,
  sha224: 56,
  sha256: 64,
  sha384: 96,
  sha512: 128,
  blake2b_256: 64,
};

/**
 * The file, or `undefined` when it cannot be served: its name is no safe file name or would hide a `.metadata` address, or its address
 * is not http(s). Any other value that is not what PEP 691 asks for is left out.
 */
export function readFile(raw: RawFile, base: URL): DistributionFile | undefined {
  const filename = typeof raw.filename === 'string' ? safeFilename(raw.filename) : undefined;
  if (filename === undefined || filename.endsWith('.metadata')) return undefined;
  const url = readAddress(raw.url, base);
  if (url === undefined) return undefined;
  const inFragment = fragmentHashes(url.fragment);
  const requiresPython = readText(raw.requiresPython);
  const size = readSize(raw.size);
  const uploadTime = typeof raw.uploadTime === 'string' ? normaliseUploadTime(raw.uploadTime) : undefined;
  const yanked = readYanked(raw.yanked);
  const coreMetadata = readCoreMetadata(raw.coreMetadata);
  const provenance = readAddress(raw.provenance, base);
  return {
    filename,
    hashes: { ...inFragment, ...readHashes(raw.hashes) },
    ...(requiresPython === undefined ? {} : { requiresPython }),
    ...(size === undefined ? {} : { size }),
    ...(uploadTime === undefined ? {} : { uploadTime }),
    ...(yanked === undefined ? {} : { yanked }),
    ...(coreMetadata === undefined ? {} : { coreMetadata }),
    ...(provenance === undefined ? {} : { provenance: provenance.href + provenance.fragment }),
    url: url.href,
    ...(raw.extra === undefined ? {} : { extra: raw.extra }),
  };
}

function readText(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > MAX_TEXT) return undefined;
  const text = value.trim();
  return text === '' ? undefined : text;
}

/** Upstreams were seen to send numbers as text. */
function readSize(value: unknown): number | undefined {
  const size = typeof value === 'string' && /^\s*\d{1,16}\s*$/.test(value) ? Number(value) : value;
  return typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 ? size : undefined;
}

/** PEP 592: present is yanked. An empty reason is none. */
function readYanked(value: unknown): true | string | undefined {
  if (value === true) return true;
  if (typeof value !== 'string') return undefined;
  const reason = value.trim().slice(0, MAX_TEXT);
  return reason === '' ? true : reason;
}

function readCoreMetadata(value: unknown): true | Hashes | undefined {
  if (value === true || value === 'true' || value === '') return true;
  if (typeof value === 'string') {
    const hashes = pairHashes(value);
    return Object.keys(hashes).length > 0 ? hashes : undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const hashes = readHashes(value);
  return Object.keys(hashes).length > 0 ? hashes : true;
}

function readHashes(value: unknown): Hashes {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  const hashes: Record<string, string> = {};
  for (const [name, hex] of Object.entries(value)) addHash(hashes, name, hex);
  return hashes;
}

function addHash(hashes: Record<string, string>, name: string, hex: unknown): void {
  const algorithm = name.toLowerCase();
  if (typeof hex !== 'string' || !/^[a-z0-9][a-z0-9_-]{0,31}$/.test(algorithm) || !/^[0-9a-fA-F]{8,128}$/.test(hex))
    return;
  if ((HEX_LENGTH[algorithm] ?? hex.length) === hex.length) hashes[algorithm] = hex.toLowerCase();
}

function fragmentHashes(fragment: string): Hashes {
  return fragment.length > 1 ? pairHashes(fragment.slice(1)) : {};
}

/** `alg=hex`, joined by `&` as in old links (`#egg=name&md5=…`). */
function pairHashes(text: string): Hashes {
  const hashes: Record<string, string> = {};
  for (const pair of text.split('&', 8)) {
    const equals = pair.indexOf('=');
    if (equals > 0) addHash(hashes, pair.slice(0, equals), pair.slice(equals + 1));
  }
  return hashes;
}
