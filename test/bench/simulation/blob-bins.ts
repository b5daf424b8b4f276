import type { Assumptions } from './assumptions.ts';
import type { Population } from './population.ts';

/** Blobs that are asked about equally often, together. */
export interface Bin {
  readonly blobs: number;
  /** Share of all requests for blobs that one of them gets. */
  readonly share: number;
  /** Of all of them. */
  readonly bytes: number;
}

const PER_OCTAVE = 12;

/** Every file and every core metadata, by how often it is asked for. Few hundred bins stand for millions of blobs. */
export function blobBins(population: Population, { filesFetched, metadataBytes }: Assumptions): readonly Bin[] {
  const perDistribution = 1 + filesFetched;
  const bins = new Map<number, { blobs: number; shares: number; bytes: number }>();
  const add = (share: number, bytes: number): void => {
    const at = Math.round(Math.log2(share) * PER_OCTAVE);
    const bin = bins.get(at);
    if (bin === undefined) bins.set(at, { blobs: 1, shares: share, bytes });
    else {
      bin.blobs += 1;
      bin.shares += share;
      bin.bytes += bytes;
    }
  };
  for (let project = 0; project < population.projects; project += 1) {
    const first = population.firstFile[project] ?? 0;
    const n = (population.firstFile[project + 1] ?? 0) - first;
    for (let j = 0; j < n; j += 1) {
      const share = ((population.projectShare[project] ?? 0) * population.fileShare(j, n)) / perDistribution;
      add(share, metadataBytes);
      add(share * filesFetched, population.fileBytes[first + j] ?? 0);
    }
  }
  return [...bins.values()].map(({ blobs, shares, bytes }) => ({ blobs, share: shares / blobs, bytes }));
}
