// npm run soak [-- --seconds N --seed N --nodes N]: clients, a misbehaving upstream and nodes that are killed, left to chance; reports what was promised and not kept.
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { run } from '../bench/run.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { type SharedEngines, startSharedEngines } from '../support/many-nodes.ts';
import { type TestServer, type TestServerOptions, testServer } from '../support/test-server.ts';
import { type BuiltFile, makeWheel } from '../support/wheel.ts';
import { Ledger } from './ledger.ts';
import { Misconduct } from './misconduct.ts';
import { Nodes } from './nodes.ts';
import { Random } from './random.ts';
import { Visits } from './visits.ts';

const HELP = `npm run soak -- [--seconds N] [--seed N] [--nodes N]

  --seconds N   how long, 60 unless told
  --seed N      the same seed makes the same world and, roughly, the same events; 1 unless told
  --nodes N     1: SQLite and disk; 2 and more: PostgreSQL and S3. 1 unless told

Exit code 1 when something that was promised was not kept.`;

const BUILD = fileURLToPath(new URL('../../scripts/build.mjs', import.meta.url));
const CLIENTS = 12;
const PROJECTS = 25;
const VERSIONS = ['1.0', '1.1', '2.0'];
// So that an outage is felt, and is over, within seconds.
const UPSTREAM_KEYS = {
  ...{ freshFor: '300ms', timeout: '2s', connectTimeout: '1s', idleTimeout: '2s' },
  ...{ confirmFor: '1h', probeEvery: '300ms' },
};
// What is built, not the sources: it is what users run, and starts in half a second.
const ENVIRONMENT = { STORMCELLAR_TEST_SOURCES: '0' };

/** What is to be undone in the end, last things first. */
class Undoing {
  readonly #steps: (() => Promise<void>)[] = [];

  after(step: () => Promise<void>): void {
    this.#steps.push(step);
  }

  async undo(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) await step();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: '1' },
      nodes: { type: 'string', default: '1' },
      help: { type: 'boolean' },
    },
  });
  const [seconds, seed, nodes] = [values.seconds, values.seed, values.nodes].map(Number);
  if (values.help || !isCount(seconds) || !isCount(seed) || !isCount(nodes)) {
    process.stdout.write(`${HELP}\n`);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  await run(process.execPath, [BUILD]);
  const undoing = new Undoing();
  try {
    const ledger = await soak(undoing, { seconds, seed, nodes });
    if (ledger.faults.size > 0) process.exitCode = 1;
  } finally {
    await undoing.undo();
  }
}

interface Extent {
  readonly seconds: number;
  readonly seed: number;
  readonly nodes: number;
}

async function soak(undoing: Undoing, { seconds, seed, nodes: count }: Extent): Promise<Ledger> {
  const random = new Random(seed);
  const upstream = await fakeUpstream(undoing, { formats: random.one(['both', 'json', 'html']) });
  const projects = new Map<string, readonly BuiltFile[]>();
  for (let at = 0; at < PROJECTS; at += 1) {
    const name = `project-${at}`;
    const files = VERSIONS.map((version) =>
      makeWheel({ name, version, padding: Math.floor(random.next() ** 3 * 3e6) }),
    );
    for (const file of files) upstream.project(name).add(file);
    projects.set(name, files);
  }
  const options = { upstream: upstream.url, upstreamKeys: UPSTREAM_KEYS, env: ENVIRONMENT };
  const nodes = new Nodes(await startNodes(undoing, count, options), random);
  const misconduct = new Misconduct(upstream, random);
  const ledger = new Ledger();
  const visits = new Visits(projects, { nodes, ledger, misconduct, random });
  const ending = new AbortController();
  const { signal } = ending;
  const clients = Array.from({ length: CLIENTS }, () => visits.run(signal));
  const all = Promise.all([...clients, nodes.run(signal), misconduct.run(signal)]);
  await Promise.race([delay(seconds * 1000), all]);
  ending.abort();
  await all;
  await visits.audit();
  report(ledger, nodes);
  return ledger;
}

async function startNodes(undoing: Undoing, count: number, options: TestServerOptions): Promise<readonly TestServer[]> {
  if (count === 1) return [await testServer(undoing, options)];
  const engines: SharedEngines = await startSharedEngines();
  undoing.after(() => engines.stop());
  const cellar = await engines.cellar(undoing);
  return await Promise.all(Array.from({ length: count }, () => cellar.program(options)));
}

function report(ledger: Ledger, nodes: Nodes): void {
  const { requests, pages, files, uploads, bundles, faults } = ledger;
  const known = `${pages.size} pages and ${files.size} files of the upstream`;
  const sent = `${uploads.size} uploads and ${bundles.size} bundles`;
  process.stdout.write(`${requests} visits, ${nodes.deaths} deaths; ${known}, ${sent} came to be known.\n`);
  for (const [kind, count] of faults) process.stdout.write(`${count} × ${kind}\n`);
  if (faults.size === 0) process.stdout.write('All that was promised was kept.\n');
}

function isCount(value: number | undefined): value is number {
  return value !== undefined && Number.isInteger(value) && value >= 1;
}

await main();
