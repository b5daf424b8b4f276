import type { BlobStat, BlobStore } from '../../storage/blob-store.ts';
import { adoptBlobs, unknownBlobs } from '../catalog/blobs.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { Clock } from '../clock.ts';

const WINDOW = 200;
/** So many blobs tell for all: they are listed by digest, which is chance. */
const SAMPLE = 5 * WINDOW;
/** What crashes leave behind is not as much, and half of everything. */
const MANY = 100;

/** What became of blobs without a row. */
export interface Orphans {
  readonly adopted: number;
  /** Why they were left alone. */
  readonly strangersNote?: string;
}

/**
 * Gives rows to bytes that have none, so that they age like any other blob: the store does not tell how old they are. Not where most of
 * the store is unknown: then it is rather the catalog that is wrong, or somebody else keeps bytes here, and a day later they would be gone.
 */
export async function adoptOrphans(
  {
    catalog,
    blobs,
    clock,
  }: { readonly catalog: Catalog; readonly blobs: Pick<BlobStore, 'list'>; readonly clock: Clock },
  signal: AbortSignal,
): Promise<Orphans> {
  let adopted = 0;
  let looked = 0;
  let isSampled = false;
  let batch: BlobStat[] = [];
  let orphans: BlobStat[] = [];
  const lookAtBatch = async (): Promise<void> => {
    const unknown = new Set<string>(await catalog.read(() => unknownBlobs(batch.map(({ digest }) => digest))));
    orphans.push(...batch.filter(({ digest }) => unknown.has(digest)));
    looked += batch.length;
    batch = [];
  };
  const adopt = async (): Promise<void> => {
    const found = orphans;
    orphans = [];
    if (found.length > 0) adopted += await catalog.write(() => adoptBlobs(found, clock.nowMs()));
  };
  for await (const blob of blobs.list()) {
    signal.throwIfAborted();
    batch.push(blob);
    if (batch.length < WINDOW) continue;
    await lookAtBatch();
    if (!isSampled && looked < SAMPLE) continue;
    if (!isSampled && areStrangers(orphans, looked)) return { adopted: 0, strangersNote: noteOf(orphans, looked) };
    isSampled = true;
    await adopt();
  }
  await lookAtBatch();
  if (!isSampled && areStrangers(orphans, looked)) return { adopted: 0, strangersNote: noteOf(orphans, looked) };
  await adopt();
  return { adopted };
}

function areStrangers(orphans: readonly BlobStat[], looked: number): boolean {
  return orphans.length >= MANY && orphans.length > looked / 2;
}

function noteOf(orphans: readonly BlobStat[], looked: number): string {
  return (
    `Of the first ${looked} blobs in the storage ${orphans.length} are unknown to the catalog; such blobs are left alone. ` +
    'Is it the catalog that belongs to them, and does nobody else keep bytes in the same place?'
  );
}
