import { ASSUMPTIONS, type Assumptions } from './assumptions.ts';
import { type Bin, blobBins } from './blob-bins.ts';
import { type CacheOutcome, cacheOutcome } from './cache-model.ts';
import { installCost, limitsOf, nodesFor, refreshesPerSecond } from './deployment.ts';
import { type Population, populationOf } from './population.ts';
import { randomOf } from './random.ts';
import { runCache } from './run-cache.ts';

const CACHES = [1e9, 10e9, 50e9, 100e9, 500e9, 1e12, 4e12];
const USUAL_CACHE = 100e9;
const RATES = [1, 10, 100, 1000];
/** Checked by running requests through a cache, one after the other. */
const RUN = { caches: [10e9, 100e9], warmUp: 20e6, counted: 2e6 };

/** Everything that the simulation finds, as Markdown. The same text for the same assumptions. */
export function report(assumptions: Assumptions = ASSUMPTIONS, run = RUN): string {
  const population = populationOf(assumptions, assumptions.projectZipf);
  const bins = blobBins(population, assumptions);
  const flatter = blobBins(populationOf(assumptions, assumptions.flatterZipf), assumptions);
  const mean = meanBytesAsked(population);
  return [
    `${count(population.projects)} projects, ${count(population.files)} files, ${bytes(bins.reduce((sum, bin) => sum + bin.bytes, 0))}. An install is ${assumptions.distributionsPerInstall} pages, as many core metadata, and ${Math.round(assumptions.distributionsPerInstall * assumptions.filesFetched)} files of ${bytes(mean)} on average.`,
    '**Local cache of a node.** Share of requests for files and metadata that it answers in the long run.',
    caches(assumptions, { bins, flatter, mean }),
    `Run one by one instead of computed (${count(run.warmUp)} distributions to warm up, ${count(run.counted)} counted): ${runs(assumptions, population, { bins, run })}`,
    `**Nodes**, each one process on a ${bits(assumptions.lineBytesPerSecond)} line, half used, with ${bytes(USUAL_CACHE)} of cache.`,
    nodes(assumptions, { population, bins, mean }),
    '**What ends first**, with one database and nodes that stream.',
    limits(assumptions, { population, bins, mean }),
    `**What the size alone costs.** Rows: about ${bytes(population.files * (assumptions.bytesPerFileRow + assumptions.bytesPerFileOnPage))} in PostgreSQL. Bytes: ${dollars((bins.reduce((sum, bin) => sum + bin.bytes, 0) / 1e9) * assumptions.dollarsPerGigabyteMonth)} a month to keep, ${dollars((2 * population.files * assumptions.dollarsPerMillionPuts) / 1e6)} once to put there. A full verification takes one node ${hours(bins.reduce((sum, bin) => sum + bin.bytes, 0) / assumptions.verifyBytesPerSecond)}; garbage collection lists ${count(Math.ceil((2 * population.files) / 1000))} pages of objects.`,
  ].join('\n\n');
}

interface Found {
  readonly population: Population;
  readonly bins: readonly Bin[];
  readonly mean: number;
}

function caches(
  a: Assumptions,
  { bins, flatter, mean }: Omit<Found, 'population'> & { readonly flatter: readonly Bin[] },
): string {
  const rows = CACHES.map((size) => {
    const cache = cacheOutcome(bins, { bytes: size, remembered: a.rememberedRequests });
    const other = cacheOutcome(flatter, { bytes: size, remembered: a.rememberedRequests });
    const cost = installCost(a, mean, { cache, redirect: false });
    return [
      bytes(size),
      percent(cache.hits),
      percent(cache.byteHits),
      percent(other.hits),
      `${(cost.s3Gets).toFixed(1)}`,
      bytes(cost.s3Bytes),
      dollars(cost.s3Gets * a.dollarsPerMillionGets),
    ];
  });
  return table(
    [
      'cache',
      'hits',
      'of bytes',
      `hits, Zipf ${a.flatterZipf}`,
      'S3 requests an install',
      'from S3 an install',
      'S3 requests, per million installs',
    ],
    rows,
  );
}

function runs(
  a: Assumptions,
  population: Population,
  { bins, run }: { readonly bins: readonly Bin[]; readonly run: typeof RUN },
): string {
  return run.caches
    .map((size) => {
      const setting = { bytes: size, remembered: a.rememberedRequests };
      const found = runCache(population, a, { ...setting, ...run, random: randomOf(a.seed + 1) });
      return `${bytes(size)}: ${percent(found.hits)} (computed ${percent(cacheOutcome(bins, setting).hits)})`;
    })
    .join('; ');
}

function nodes(a: Assumptions, { population, bins, mean }: Found): string {
  const cache = cacheOutcome(bins, { bytes: USUAL_CACHE, remembered: a.rememberedRequests });
  const nothing: CacheOutcome = { hits: 0, byteHits: 0, fills: 0 };
  const rows = RATES.map((rate) => {
    const streamed = installCost(a, mean, { cache, redirect: false });
    const sentOn = installCost(a, mean, { cache: nothing, redirect: true });
    const need = nodesFor(rate, streamed, a, { redirect: false });
    return [
      count(rate),
      bits(rate * streamed.bytesOut),
      `${need.nodes} (processor ${need.byProcessor.toFixed(1)}, line ${need.byLine.toFixed(1)})`,
      count(nodesFor(rate, sentOn, a, { redirect: true }).nodes),
      count(Math.round(rate * streamed.databaseReads)),
      count(Math.round(refreshesPerSecond(rate, population, a))),
      count(Math.round(rate * streamed.s3Gets)),
      `${dollars(streamed.s3Gets * a.dollarsPerMillionGets)} / ${dollars(sentOn.s3Gets * a.dollarsPerMillionGets + (sentOn.s3Bytes / 1e3) * a.dollarsPerGigabyteOut)}`,
    ];
  });
  const headings = [
    'installs a second',
    'to clients',
    'nodes that stream',
    'nodes that redirect',
    'database reads a second',
    'pages asked of upstream a second',
    'S3 requests a second',
    'S3 per million installs, stream / redirect with traffic',
  ];
  return table(headings, rows);
}

function limits(a: Assumptions, { population, bins, mean }: Found): string {
  const cache = cacheOutcome(bins, { bytes: USUAL_CACHE, remembered: a.rememberedRequests });
  const cost = installCost(a, mean, { cache, redirect: false });
  const rows = limitsOf(cost, population, a).map(({ what, rate, remedy }) => [
    what,
    rate < 1e5 ? count(Math.round(rate)) : 'far away',
    remedy,
  ]);
  return table(['used up', 'at installs a second', 'then'], rows);
}

function meanBytesAsked(population: Population): number {
  let mean = 0;
  for (let project = 0; project < population.projects; project += 1) {
    const first = population.firstFile[project] ?? 0;
    const n = (population.firstFile[project + 1] ?? 0) - first;
    const share = population.projectShare[project] ?? 0;
    for (let j = 0; j < n; j += 1) mean += share * population.fileShare(j, n) * (population.fileBytes[first + j] ?? 0);
  }
  return mean;
}

function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(headings), `|${headings.map(() => '---|').join('')}`, ...rows.map(line)].join('\n');
}

function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const at = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, value)) / 3));
  const shown = value / 1000 ** at;
  return `${shown < 10 && shown % 1 !== 0 ? shown.toFixed(1) : Math.round(shown)} ${units[at]}`;
}

function bits(bytesPerSecond: number): string {
  const gigabits = (bytesPerSecond * 8) / 1e9;
  return `${gigabits < 10 && gigabits % 1 !== 0 ? gigabits.toFixed(1) : Math.round(gigabits)} Gbit/s`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function dollars(value: number): string {
  return `$${value < 10 ? value.toFixed(2) : count(Math.round(value))}`;
}

function hours(seconds: number): string {
  return `${Math.round(seconds / 3600)} h`;
}
