import type { Bench } from '../bench.ts';
import type { SingleName } from '../content.ts';
import { download } from '../run.ts';
import { compare, type Line, type Scenario, shown } from '../scenario.ts';
import { load } from '../wrk.ts';

interface FileCase {
  readonly what: string;
  readonly project: SingleName;
  readonly clients: number;
  readonly unit: 'MB/s' | 'req/s';
  readonly least: number;
}

const CASES: readonly FileCase[] = [
  { what: 'stored file of 25 MB, 1 client', project: 'wheel25', clients: 1, unit: 'MB/s', least: 0.9 },
  { what: 'stored file of 25 MB, 8 clients', project: 'wheel25', clients: 8, unit: 'MB/s', least: 0.9 },
  { what: 'stored file of 120 KB, 32 clients', project: 'usual', clients: 32, unit: 'req/s', least: 0.4 },
];

/** Files that are stored, asked for by few and by many. */
export const hotFiles: Scenario = {
  name: 'hot-files',
  run: async (bench) => {
    const { server } = await bench.pair();
    const lines: Line[] = [];
    for (const one of CASES) lines.push(await measure(bench, server.url, one));
    return lines;
  },
};

async function measure(bench: Bench, base: string, { what, project, clients, unit, least }: FileCase): Promise<Line> {
  const { page, file } = bench.project(project);
  await download(base + page);
  await download(base + file);
  const loadOf = async (url: string) => {
    const figures = await load({ url, connections: clients, seconds: bench.effort.seconds });
    return unit === 'MB/s' ? figures.megabytesPerSecond : figures.requestsPerSecond;
  };
  const { ratio, ours, beside } = await compare(bench.effort.rounds, {
    ours: () => loadOf(base + file),
    beside: () => loadOf(bench.limit.url + file),
  });
  return {
    what,
    ours: shown(ours, unit),
    beside: `nginx ${shown(beside, unit)}`,
    ratio,
    goal: `≥ ${least} × nginx`,
    met: ratio >= least,
  };
}
