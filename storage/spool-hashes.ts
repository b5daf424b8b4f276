import { createHash, type Hash } from 'node:crypto';
import { type Digest, parseDigest } from './digest.ts';

/** Hashes that an uploader may announce beside sha256. */
export type ExtraHash = 'md5' | 'blake2b-256';

interface Hasher {
  readonly update: (chunk: Uint8Array) => unknown;
  readonly hex: () => string;
}

/** The hashes of bytes that come in order: sha256 always, others when asked for. */
export class SpoolHashes {
  readonly #sha256: Hash = createHash('sha256');
  readonly #extra: ReadonlyMap<ExtraHash, Hasher>;

  private constructor(extra: ReadonlyMap<ExtraHash, Hasher>) {
    this.#extra = extra;
  }

  static async create(extra: readonly ExtraHash[]): Promise<SpoolHashes> {
    const hashers = new Map<ExtraHash, Hasher>();
    for (const name of extra) hashers.set(name, name === 'md5' ? md5() : await blake2b256());
    return new SpoolHashes(hashers);
  }

  update(chunk: Uint8Array): void {
    this.#sha256.update(chunk);
    for (const hasher of this.#extra.values()) hasher.update(chunk);
  }

  /** Once only: the hashes cannot be updated after it. */
  finish(): { readonly digest: Digest; readonly extra: Partial<Record<ExtraHash, string>> } {
    const digest = parseDigest(this.#sha256.digest('hex'));
    if (!digest) throw new TypeError('sha256 is not 64 hexadecimal digits');
    const extra: Partial<Record<ExtraHash, string>> = {};
    for (const [name, hasher] of this.#extra) extra[name] = hasher.hex();
    return { digest, extra };
  }
}

function md5(): Hasher {
  const hash = createHash('md5');
  return { update: (chunk) => hash.update(chunk), hex: () => hash.digest('hex') };
}

async function blake2b256(): Promise<Hasher> {
  // Node's crypto knows BLAKE2b with 512 bits only; the upload API's blake2_256_digest has 256.
  const { createBLAKE2b } = await import('hash-wasm');
  const hash = await createBLAKE2b(256);
  return { update: (chunk) => hash.update(chunk), hex: () => hash.digest('hex') };
}
