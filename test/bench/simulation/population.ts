import type { Assumptions } from './assumptions.ts';
import { normal, randomOf } from './random.ts';

/** All projects and files, with how often each is asked for. Ranks begin at 0. */
export interface Population {
  readonly projects: number;
  readonly files: number;
  /** Share of requests that each project gets. */
  readonly projectShare: Float64Array;
  /** Number of its first file; one more entry than projects. */
  readonly firstFile: Uint32Array;
  readonly fileBytes: Float32Array;
  /** Share of a project's requests that its j-th file gets, out of n. */
  fileShare(j: number, n: number): number;
  /** A project and one of its files, as often as they are asked for. */
  pick(random: () => number): { readonly project: number; readonly file: number };
}

/** Makes them from the assumptions; the same ones give the same population. */
export function populationOf(assumptions: Assumptions, zipf: number): Population {
  const { projects, files, fileZipf, filesExponent, seed } = assumptions;
  const projectShare = zipfShares(projects, zipf);
  const firstFile = new Uint32Array(projects + 1);
  const weights = zipfShares(projects, filesExponent);
  let sum = 0;
  for (let project = 0; project < projects; project += 1) {
    firstFile[project] = Math.round(sum);
    sum += 1 + (weights[project] ?? 0) * Math.max(0, files - projects);
  }
  firstFile[projects] = Math.round(sum);
  const count = Math.round(sum);
  const most = Math.max(
    ...Array.from({ length: 10 }, (_, rank) => (firstFile[rank + 1] ?? 0) - (firstFile[rank] ?? 0)),
  );
  const within = new Float64Array(most + 1);
  for (let j = 1; j <= most; j += 1) within[j] = (within[j - 1] ?? 0) + j ** -fileZipf;
  const pickProject = aliasOf(projectShare);
  return {
    projects,
    files: count,
    projectShare,
    firstFile,
    fileBytes: sizesOf(count, assumptions, randomOf(seed)),
    fileShare: (j, n) => (j + 1) ** -fileZipf / (within[n] ?? 1),
    pick: (random) => {
      const project = pickProject(random);
      const first = firstFile[project] ?? 0;
      const n = (firstFile[project + 1] ?? 0) - first;
      const u = random() * (within[n] ?? 0);
      let low = 1;
      let high = n;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if ((within[middle] ?? 0) < u) low = middle + 1;
        else high = middle;
      }
      return { project, file: first + low - 1 };
    },
  };
}

function zipfShares(count: number, exponent: number): Float64Array {
  const shares = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank += 1) {
    const weight = (rank + 1) ** -exponent;
    shares[rank] = weight;
    sum += weight;
  }
  for (let rank = 0; rank < count; rank += 1) shares[rank] = (shares[rank] ?? 0) / sum;
  return shares;
}

function sizesOf(count: number, assumptions: Assumptions, random: () => number): Float32Array {
  const { medianFileBytes, meanFileBytes, largestFileBytes } = assumptions;
  const sigma = Math.sqrt(2 * Math.log(meanFileBytes / medianFileBytes));
  const sizes = new Float32Array(count);
  for (let file = 0; file < count; file += 1) {
    sizes[file] = Math.min(largestFileBytes, Math.max(1000, medianFileBytes * Math.exp(sigma * normal(random))));
  }
  return sizes;
}

/** Draws an index as often as its share says, in constant time (Vose's alias method). */
function aliasOf(shares: Float64Array): (random: () => number) => number {
  const count = shares.length;
  const keep = new Float64Array(count);
  const other = new Uint32Array(count);
  const small: number[] = [];
  const large: number[] = [];
  for (let index = 0; index < count; index += 1) {
    keep[index] = (shares[index] ?? 0) * count;
    ((keep[index] ?? 0) < 1 ? small : large).push(index);
  }
  for (;;) {
    const less = small.pop();
    const more = large.pop();
    if (less === undefined || more === undefined) {
      for (const rest of [less, more, ...small, ...large]) if (rest !== undefined) keep[rest] = 1;
      break;
    }
    other[less] = more;
    keep[more] = (keep[more] ?? 0) + (keep[less] ?? 0) - 1;
    ((keep[more] ?? 0) < 1 ? small : large).push(more);
  }
  return (random) => {
    const at = Math.floor(random() * count);
    return random() < (keep[at] ?? 1) ? at : (other[at] ?? at);
  };
}
