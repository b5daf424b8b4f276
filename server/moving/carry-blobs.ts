import type { BlobStat, BlobStore } from '../../storage/blob-store.ts';
import type { Digest } from '../../storage/digest.ts';
import { BlobNotFoundError, DigestMismatchError, SpoolLimitError } from '../../storage/errors.ts';
import { sendToSpool } from '../../storage/send-to-spool.ts';
import { Spool } from '../../storage/spool.ts';
import { referenced } from '../catalog/blobs.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { Row } from '../catalog/row-pages.ts';

/** A blob that some row names and whose bytes are not what they should be. */
export interface Damage extends BlobStat {
  readonly state: 'missing' | 'corrupt';
}

export interface CarrierParts {
  readonly catalog: Pick<Catalog, 'read'>;
  readonly from: BlobStore;
  readonly to: BlobStore;
  /** Both cellars keep their bytes at the same place: they are looked for, not copied. */
  readonly isSameStore: boolean;
  readonly spoolDir: string;
  readonly signal: AbortSignal;
  /** Blobs on their way at once. */
  readonly atOnce: number;
  readonly onBytes?: (count: number) => void;
}

/** Rows are written when so many bytes have come over, so that little is done again after a crash. */
const BATCH_BYTES = 64 * 1024 * 1024;
const BATCH_BLOBS = 64;

/** Brings bytes over ahead of the rows of `blob` that name them, each read whole and compared with its digest on the way. */
export class BlobCarrier {
  readonly #parts: CarrierParts;
  readonly #damaged = new Map<Digest, { readonly damage: Damage; readonly row: Row }>();
  #left = 0;
  #copied = 0;

  constructor(parts: CarrierParts) {
    this.#parts = parts;
  }

  /** Damaged blobs that were met; their rows were kept back. */
  get damaged(): readonly Damage[] {
    return [...this.#damaged.values()].map(({ damage }) => damage);
  }

  get damagedRows(): readonly Row[] {
    return [...this.#damaged.values()].map(({ row }) => row);
  }

  /** Rows that were kept back because their bytes are gone, or going, and no row names them. */
  get left(): number {
    return this.#left;
  }

  /** Blobs that came over. */
  get copied(): number {
    return this.#copied;
  }

  /** Those of `rows`, of the table `blob`, whose bytes are at the target now, in batches. */
  async *admit(rows: readonly Row[]): AsyncGenerator<readonly Row[]> {
    for (const batch of batches(rows)) {
      const waiting = [...batch];
      const admitted: Row[] = [];
      const carry = async (): Promise<void> => {
        try {
          for (let row = waiting.shift(); row !== undefined; row = waiting.shift()) {
            this.#parts.signal.throwIfAborted();
            if (await this.#carry(row)) admitted.push(row);
          }
        } finally {
          // When one fails the others end with the blob that they have.
          waiting.length = 0;
        }
      };
      const ended = await Promise.allSettled(Array.from({ length: this.#parts.atOnce }, carry));
      for (const end of ended) if (end.status === 'rejected') throw end.reason;
      yield admitted;
    }
  }

  async #carry(row: Row): Promise<boolean> {
    const blob: BlobStat = { digest: row.digest as Digest, size: Number(row.size) };
    const isGoing = row.doomed_at !== null;
    const found = isGoing ? 'missing' : this.#parts.isSameStore ? await this.#look(blob) : await this.#copy(blob);
    if (found === 'sound') {
      this.#copied += 1;
      return true;
    }
    if (!isGoing && (await this.#parts.catalog.read(() => referenced(blob.digest)))) {
      this.#damaged.set(blob.digest, { damage: { ...blob, state: found }, row });
    } else this.#left += 1;
    return false;
  }

  async #look({ digest, size }: BlobStat): Promise<'sound' | Damage['state']> {
    const there = await this.#parts.to.stat(digest);
    if (there === undefined) return 'missing';
    return there.size === size ? 'sound' : 'corrupt';
  }

  async #copy({ digest, size }: BlobStat): Promise<'sound' | Damage['state']> {
    const { from, to, spoolDir, onBytes } = this.#parts;
    const spool = await Spool.create(spoolDir, { maxBytes: size });
    try {
      await sendToSpool(spool, (out) => from.send(digest, { start: 0, end: size - 1 }, out), onBytes);
      await to.put(await spool.finish(digest));
      return 'sound';
    } catch (error) {
      if (error instanceof BlobNotFoundError) return 'missing';
      // A range error: fewer bytes than the catalog says.
      const isWrong =
        error instanceof DigestMismatchError || error instanceof SpoolLimitError || error instanceof RangeError;
      if (isWrong || (await this.#hasOtherSize({ digest, size }))) return 'corrupt';
      throw error;
    } finally {
      await spool.discard();
    }
  }

  async #hasOtherSize({ digest, size }: BlobStat): Promise<boolean> {
    const there = await this.#parts.from.stat(digest).catch(() => undefined);
    return there !== undefined && there.size !== size;
  }
}

function* batches(rows: readonly Row[]): Generator<readonly Row[]> {
  let batch: Row[] = [];
  let bytes = 0;
  for (const row of rows) {
    if (batch.length > 0 && (batch.length === BATCH_BLOBS || bytes + Number(row.size) > BATCH_BYTES)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(row);
    bytes += Number(row.size);
  }
  if (batch.length > 0) yield batch;
}
