import type { Assumptions } from './assumptions.ts';
import type { CacheOutcome } from './cache-model.ts';
import type { Population } from './population.ts';

/** What one install asks of everything behind the index. */
export interface InstallCost {
  readonly requests: number;
  readonly bytesOut: number;
  readonly s3Gets: number;
  readonly s3Bytes: number;
  readonly nodeSeconds: number;
  readonly databaseReads: number;
}

/** The cost of an install, on average, when nodes have local caches that come to `cache`. `redirect`: clients fetch files from S3 themselves. */
export function installCost(
  { distributionsPerInstall, filesFetched, metadataBytes, ...a }: Assumptions,
  meanFileBytes: number,
  { cache, redirect }: { readonly cache: CacheOutcome; readonly redirect: boolean },
): InstallCost {
  const pages = distributionsPerInstall;
  const files = distributionsPerInstall * filesFetched;
  const blobs = distributionsPerInstall + files;
  const fileBytes = files * meanFileBytes;
  const bytes = fileBytes + distributionsPerInstall * metadataBytes;
  // A fill asks for the size first.
  const gets = redirect ? files : blobs * (1 - cache.hits + cache.fills);
  const s3Bytes = redirect ? fileBytes : bytes * (1 - cache.byteHits);
  const sentByNodes = redirect ? bytes - fileBytes : bytes;
  const ownGets = redirect ? 0 : blobs * (1 - cache.hits);
  const seconds =
    pages * a.pageSeconds +
    blobs * a.fileSeconds +
    sentByNodes * a.secondsPerByteSent +
    ownGets * a.s3Seconds +
    blobs * cache.fills * meanFileBytes * a.secondsPerByteKept;
  return {
    requests: pages + blobs,
    bytesOut: bytes,
    s3Gets: gets,
    s3Bytes,
    nodeSeconds: seconds,
    databaseReads: pages + blobs,
  };
}

/** Nodes for so many installs a second: by processor, and by line. */
export function nodesFor(rate: number, cost: InstallCost, a: Assumptions, options: { readonly redirect: boolean }) {
  const byProcessor = (rate * cost.nodeSeconds) / (a.coresPerNode * a.utilisation);
  const sent = options.redirect ? cost.bytesOut - cost.s3Bytes : cost.bytesOut + cost.s3Bytes;
  const byLine = (rate * sent) / (a.lineBytesPerSecond * a.utilisation);
  return { byProcessor, byLine, nodes: Math.max(2, Math.ceil(Math.max(byProcessor, byLine))) };
}

/** Projects whose page goes stale and is asked for again, each second: what the upstream and the database's commits see. */
export function refreshesPerSecond(rate: number, population: Population, a: Assumptions): number {
  const pages = rate * a.distributionsPerInstall;
  let distinct = 0;
  for (const share of population.projectShare) distinct += 1 - Math.exp(-pages * share * a.freshForSeconds);
  return distinct / a.freshForSeconds;
}

/** A resource, and the installs a second at which it is used up. */
export interface Limit {
  readonly what: string;
  readonly rate: number;
  readonly remedy: string;
}

/** Where growth ends, the nearest end first, for nodes that stream through a local cache. */
export function limitsOf(cost: InstallCost, population: Population, a: Assumptions): readonly Limit[] {
  const perNode = nodesFor(1, cost, a, { redirect: false });
  const reads = a.readsPerCore * a.databaseCores * a.utilisation;
  const most = Math.floor(a.databaseConnections / a.connectionsPerNode);
  const limits: Limit[] = [
    { what: 'the line of one node', rate: 1 / perNode.byLine, remedy: 'more nodes, or `delivery: "redirect"`' },
    { what: 'the processor of one node', rate: 1 / perNode.byProcessor, remedy: 'more nodes' },
    {
      what: `reads of one PostgreSQL with ${a.databaseCores} cores`,
      rate: reads / cost.databaseReads,
      remedy: 'more cores; then reads from replicas, which the program does not do yet',
    },
    {
      what: `${most} nodes, as many as ${a.databaseConnections} connections allow`,
      rate: most / Math.max(perNode.byLine, perNode.byProcessor),
      remedy: 'a connection pooler in session mode, a smaller `poolSize`, `delivery: "redirect"`',
    },
    {
      what: `commits of one PostgreSQL, at ${a.commitsPerSecond} a second`,
      rate: rateOf(a.commitsPerSecond * a.utilisation, (rate) => refreshesPerSecond(rate, population, a)),
      remedy: 'a longer `freshFor`',
    },
  ];
  return limits.sort((one, other) => one.rate - other.rate);
}

function rateOf(goal: number, grows: (rate: number) => number): number {
  if (grows(1e6) < goal) return Number.POSITIVE_INFINITY;
  let low = 0.01;
  let high = 1e6;
  for (let step = 0; step < 40; step += 1) {
    const middle = Math.sqrt(low * high);
    if (grows(middle) < goal) low = middle;
    else high = middle;
  }
  return high;
}
