import { createHash, type Hash } from 'node:crypto';
import { type Digest, parseDigest } from './digest.ts';

/** Hashes that an uploader may announce beside sha256. */
export type ExtraHash = 'md5' | 'blake2b-256';

interface Hasher {
  readonly update: (chunk: Uint8Array) => unknown;
  readonly hex: () => string;
}

/** Further hashes alone, of bytes that come in order. */
export class ExtraHashes {
  readonly #hashers: ReadonlyMap<ExtraHash, Hasher>;

  private constructor(hashers: ReadonlyMap<ExtraHash, Hasher>) {
    this.#hashers = hashers;
  }

  static async create(names: readonly ExtraHash[]): Promise<ExtraHashes> {
    const hashers = new Map<ExtraHash, Hasher>();
    for (const name of names) hashers.set(name, name === 'md5' ? md5() : await blake2b256());
    return new ExtraHashes(hashers);
  }

  update(chunk: Uint8Array): void {
    for (const hasher of this.#hashers.values()) hasher.update(chunk);
  }

  /** Lower-case hex. Once only. */
  finish(): Partial<Record<ExtraHash, string>> {
    const found: Partial<Record<ExtraHash, string>> = {};
    for (const [name, hasher] of this.#hashers) found[name] = hasher.hex();
    return found;
  }
}

/** The hashes of bytes that come in order: sha256 always, others when asked for. */
export class SpoolHashes {
  readonly #sha256: Hash = createHash('sha256');
  readonly #extra: ExtraHashes;

  private constructor(extra: ExtraHashes) {
    this.#extra = extra;
  }

  static async create(extra: readonly ExtraHash[]): Promise<SpoolHashes> {
    return new SpoolHashes(await ExtraHashes.create(extra));
  }

  update(chunk: Uint8Array): void {
    this.#sha256.update(chunk);
    this.#extra.update(chunk);
  }

  /** Once only: the hashes cannot be updated after it. */
  finish(): { readonly digest: Digest; readonly extra: Partial<Record<ExtraHash, string>> } {
    const digest = parseDigest(this.#sha256.digest('hex'));
    if (!digest) throw new TypeError('sha256 is not 64 hexadecimal digits');
    return { digest, extra: this.#extra.finish() };
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
