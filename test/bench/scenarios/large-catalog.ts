import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bench } from '../bench.ts';
import { fillPostgres, fillSqlite, type Size } from '../fill-catalog.ts';
import { run } from '../run.ts';
import { type Compared, compareAll, type Line, type Scenario, shown } from '../scenario.ts';
import type { BenchServer } from '../server.ts';
import { load } from '../wrk.ts';

const CONNECTIONS = 16;
const LARGE = 600_000;
const SMALL = 1_000;
const QUICKLY = 0.1;
const MOST = 1.5;
const MOST_MORE_MB = 40;

/** Every page is read and rendered: what is rendered already costs the same in any catalog. */
const NOTHING_RENDERED = { limits: { pageCacheBytes: '1KiB', minFreeBytes: '0B' } };

/** Both sides of a comparison, on one kind of engine. */
interface Sizes {
  readonly engine: string;
  readonly large: BenchServer;
  readonly small: BenchServer;
}

/** 600,000 projects with five million files beside 1,000: pages that are looked for anywhere among them, and the list of all. */
export const largeCatalog: Scenario = {
  name: 'large-catalog',
  run: async (bench): Promise<readonly Line[]> => {
    const projects = bench.effort.rounds === 1 ? LARGE * QUICKLY : LARGE;
    const lines: Line[] = [];
    for (const server of [onSqlite, await onPostgres(bench)]) {
      const large = await server(bench, { projects });
      const small = await server(bench, { projects: SMALL });
      const sizes = { engine: server === onSqlite ? 'SQLite' : 'PostgreSQL', large, small };
      // The list first: afterwards a node remembers the projects that it was asked for.
      const list = await listLine(sizes, projects);
      lines.push(...(await pageLines(bench, sizes, projects)), list);
    }
    return lines;
  },
};

async function onSqlite(bench: Bench, size: Size): Promise<BenchServer> {
  const dir = bench.folder();
  await mkdir(join(dir, 'data'), { recursive: true });
  await fillSqlite(join(dir, 'data', 'catalog.sqlite'), size);
  return await bench.server({ dir, config: NOTHING_RENDERED });
}

async function onPostgres(bench: Bench): Promise<(bench: Bench, size: Size) => Promise<BenchServer>> {
  const postgres = await bench.postgres();
  return async (_, size) => {
    const url = await postgres.database();
    await fillPostgres(url, size);
    return await bench.server({ config: { ...NOTHING_RENDERED, catalog: { kind: 'postgres', url } } });
  };
}

/** How long a page takes, and how much of the server’s processor; of PostgreSQL, that is without the database’s own. */
async function pageLines(bench: Bench, { engine, large, small }: Sizes, projects: number): Promise<Line[]> {
  const { rounds, seconds } = bench.effort;
  const loadOf = async ({ url, program }: BenchServer, among: number) => {
    const script = await randomPages(bench, among);
    const before = await program.cpuSeconds();
    const { requestsPerSecond } = await load({ url, connections: CONNECTIONS, seconds, script });
    const cpuSeconds = (await program.cpuSeconds()) - before;
    return { wall: 1e6 / requestsPerSecond, cpu: (1e6 * cpuSeconds) / (requestsPerSecond * seconds) };
  };
  const { wall, cpu } = await compareAll(rounds, {
    ours: () => loadOf(large, projects),
    beside: () => loadOf(small, SMALL),
  });
  const line = (how: string, { ours, beside, ratio }: Compared): Line => ({
    what: `a page among ${projects.toLocaleString('en')} projects, ${engine}${how}`,
    ours: shown(ours, 'µs'),
    beside: `1,000 projects ${shown(beside, 'µs')}`,
    ratio,
    goal: `≤ ${MOST} × 1,000 projects`,
    met: ratio <= MOST,
  });
  return [line('', wall), line(', processor time', cpu)];
}

/** A script that has wrk ask for pages anywhere in the catalog. */
async function randomPages(bench: Bench, among: number): Promise<string> {
  const path = `${bench.folder()}.lua`;
  await writeFile(
    path,
    `math.randomseed(os.time())
     request = function() return wrk.format(nil, string.format("/simple/project-%06d/", math.random(${among}))) end\n`,
  );
  return path;
}

/** The same number of names, in one list and in many: what differs is what a list holds. */
async function listLine({ engine, large, small }: Sizes, projects: number): Promise<Line> {
  const peakOf = async ({ url, program }: BenchServer, times: number) => {
    const lists = Array.from({ length: times }, () => ['-o', '/dev/null', `${url}/simple/`]).flat();
    await run('curl', ['-sSf', ...lists]);
    await program.forgetPeak();
    await run('curl', ['-sSf', ...lists]);
    return (await program.memory()).peak;
  };
  const [ours, beside] = [await peakOf(large, 1), await peakOf(small, projects / SMALL)];
  return {
    what: `memory while ${projects.toLocaleString('en')} names are listed, ${engine}`,
    ours: shown(ours, 'MB'),
    beside: `in lists of 1,000 ${shown(beside, 'MB')}`,
    ratio: ours / beside,
    goal: `≤ ${MOST_MORE_MB} MB more`,
    met: ours - beside <= MOST_MORE_MB,
  };
}
