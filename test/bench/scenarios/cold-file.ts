import type { Bench } from '../bench.ts';
import { ALL_CPUS } from '../machine.ts';
import { download, downloadAllAtOnce, downloadAtOnce } from '../run.ts';
import { compare, type Line, median, type Scenario, shown } from '../scenario.ts';

const MOST = 1.15;
const FIRST_BYTE_MS = 20;

// A gigabit of network.
const USUAL_RATE = 120;

/** A large file that nobody has asked for yet: one client, and its first byte. */
export const coldFile: Scenario = {
  name: 'cold-file',
  run: async (bench) => [
    ...(await measure(bench, `file of 200 MB, not stored yet, upstream gives ${USUAL_RATE} MB/s`, USUAL_RATE)),
    ...(await measure(bench, 'the same, upstream on the same machine gives what it can')),
  ],
};

async function measure(bench: Bench, what: string, rate?: number): Promise<readonly Line[]> {
  const first = { ours: [] as number[], direct: [] as number[] };
  const { page, file } = bench.project('wheel200');
  const upstream = await bench.upstream(rate === undefined ? {} : { rate });
  const { ours, beside, ratio } = await compare(bench.effort.rounds, {
    ours: async () => {
      const server = await bench.server({ upstream: `${upstream.url}/simple/` });
      await bench.breakIn(server);
      await download(server.url + page);
      const took = await download(server.url + file);
      first.ours.push(took.first * 1000);
      await server.program.stop();
      return took.whole;
    },
    beside: async () => {
      const took = await download(upstream.url + file);
      first.direct.push(took.first * 1000);
      return took.whole;
    },
  });
  const later = median(first.ours) - median(first.direct);
  return [
    {
      what,
      ours: shown(ours, 's'),
      beside: `direct ${shown(beside, 's')}`,
      ratio,
      goal: `≤ ${MOST} × direct`,
      met: ratio <= MOST,
    },
    {
      what: 'its first byte',
      ours: shown(median(first.ours), 'ms'),
      beside: `direct ${shown(median(first.direct), 'ms')}`,
      goal: `≤ direct + ${FIRST_BYTE_MS} ms`,
      met: later <= FIRST_BYTE_MS,
    },
  ];
}

const CLIENTS = 50;
const MOST_WALL = 1.5;
const STAMPEDE_MB = 200;

/** Many clients at once that ask for one file that is not stored yet. */
export const stampede: Scenario = {
  name: 'stampede',
  run: async (bench) => {
    const { page, file } = bench.project('wheel50');
    const fetches: number[] = [];
    const peaks: number[] = [];
    const { ours, beside, ratio } = await compare(bench.effort.rounds, {
      ours: async () => {
        const { server, upstream } = await bench.pair();
        await bench.breakIn(server);
        await server.program.forgetPeak();
        await download(server.url + page);
        const seconds = await downloadAtOnce(server.url + file, CLIENTS);
        fetches.push(await upstream.asked(file));
        peaks.push((await server.program.memory()).peak);
        await bench.stopAll();
        return seconds;
      },
      beside: () => downloadAtOnce(bench.limit.url + file, CLIENTS),
    });
    const most = Math.max(...fetches);
    const peak = median(peaks);
    return [
      {
        what: `${CLIENTS} clients, one file of 50 MB, not stored yet`,
        ours: shown(ours, 's'),
        beside: `nginx ${shown(beside, 's')}`,
        ratio,
        goal: `≤ ${MOST_WALL} × nginx`,
        met: ratio <= MOST_WALL,
      },
      { what: 'fetches of it from the upstream', ours: String(most), goal: '1', met: most === 1 },
      memoryLine('memory at most meanwhile', peak, STAMPEDE_MB),
    ];
  },
};

const PULLING = 64;
const PULLING_MB = 250;
const ALIKE = 32;

/** Many clients at once, each with a large file: half of them one that is stored, and all of them files that are not. */
export const manyClients: Scenario = {
  name: 'many-clients',
  run: async (bench) => [
    memoryLine(`memory at most while ${PULLING} clients pull 200 MB each`, await twoFiles(bench), PULLING_MB),
    memoryLine(`the same, of ${ALIKE} files of which none is stored yet`, await manyFiles(bench), PULLING_MB),
  ],
};

async function twoFiles(bench: Bench): Promise<number> {
  const { server } = await bench.pair();
  await bench.breakIn(server);
  const [stored, fresh] = [bench.project('wheel200'), bench.project('wheel200b')];
  await download(server.url + stored.page);
  await download(server.url + stored.file);
  await download(server.url + fresh.page);
  const half = PULLING / 2;
  await Promise.all([downloadAtOnce(server.url + stored.file, half), downloadAtOnce(server.url + fresh.file, half)]);
  const { peak } = await server.program.memory();
  await bench.stopAll();
  return peak;
}

async function manyFiles(bench: Bench): Promise<number> {
  const paths = await bench.alike('wheel200', ALIKE);
  const upstream = await bench.upstream();
  // With a thread that writes large files, as it has where there is more than one processor.
  const server = await bench.server({ upstream: `${upstream.url}/simple/`, cpus: ALL_CPUS });
  await bench.breakIn(server);
  await downloadAllAtOnce([...paths, ...paths].slice(0, PULLING).map((path) => server.url + path));
  const { peak } = await server.program.memory();
  await bench.stopAll();
  return peak;
}

function memoryLine(what: string, peak: number, mostMb: number): Line {
  return { what, ours: shown(peak, 'MB'), goal: `< ${mostMb} MB`, met: peak < mostMb };
}
