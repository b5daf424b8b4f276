import type { Bench } from '../bench.ts';
import { LOAD_CPUS, makeWay, PROCESSORS, SERVER_CPUS } from '../machine.ts';
import { compareAll, type Line, type Scenario, shown } from '../scenario.ts';
import type { BenchServer } from '../server.ts';
import { load } from '../wrk.ts';

const CONNECTIONS = 32;
const LEAST = 1.7;
/** Two for the nodes, one for the database, one for the clients. */
const ENOUGH_CPUS = 4;

/**
 * Two nodes on one PostgreSQL beside one of them alone. Where there are processors enough each node has its own, and requests a
 * second are compared. Where there are not, the nodes share one, and what is compared is what a second of processor time carries, times the
 * nodes: whether they cost each other anything. That the database carries both is not shown then.
 */
export const twoNodes: Scenario = {
  name: 'two-nodes',
  run: async (bench): Promise<readonly Line[]> => {
    const isRoomy = PROCESSORS >= ENOUGH_CPUS;
    if (isRoomy) await makeWay(`2-${PROCESSORS - 1}`);
    try {
      return [await measure(bench, isRoomy ? ['0', '1'] : [SERVER_CPUS, SERVER_CPUS])];
    } finally {
      if (isRoomy) await makeWay(LOAD_CPUS);
    }
  },
};

async function measure(bench: Bench, cpus: readonly [string, string]): Promise<Line> {
  const upstream = `${(await bench.upstream()).url}/simple/`;
  const url = await (await bench.postgres()).database();
  const config = { catalog: { kind: 'postgres', url } };
  const one = await bench.server({ upstream, config, cpus: cpus[0] });
  const other = await bench.server({ upstream, config, cpus: cpus[1] });
  const { page } = bench.project('usual');
  const { seconds, rounds } = bench.effort;
  // Pages only: each node has a disk of its own here. The first turns make them slower than they will be.
  for (const server of [one, other]) await load({ url: server.url + page, connections: CONNECTIONS, seconds });
  const loadOf = async (servers: readonly BenchServer[]) => {
    const before = await cpuSeconds(servers);
    const loads = servers.map((server) => load({ url: server.url + page, connections: CONNECTIONS, seconds }));
    const wall = (await Promise.all(loads)).reduce((sum, { requestsPerSecond }) => sum + requestsPerSecond, 0);
    return { wall, cpu: (servers.length * wall * seconds) / ((await cpuSeconds(servers)) - before) };
  };
  const both = await compareAll(rounds, { ours: () => loadOf([one, other]), beside: () => loadOf([one]) });
  const goal = `≥ ${LEAST} × one node`;
  const { wall, cpu } = both;
  if (cpus[0] !== cpus[1]) {
    return {
      what: 'two nodes, each on its processor',
      ours: shown(wall.ours, 'req/s'),
      beside: `one node ${shown(wall.beside, 'req/s')}`,
      ratio: wall.ratio,
      goal,
      met: wall.ratio >= LEAST,
    };
  }
  return {
    what: 'two nodes, by processor time (too few processors to give each its own)',
    ours: `${shown(cpu.ours, 'req/CPU s')} (both, clients and database on ${PROCESSORS}: ${shown(wall.ours, 'req/s')})`,
    beside: `one node ${shown(cpu.beside, 'req/CPU s')} (${shown(wall.beside, 'req/s')})`,
    ratio: cpu.ratio,
    goal,
    met: cpu.ratio >= LEAST,
  };
}

async function cpuSeconds(servers: readonly BenchServer[]): Promise<number> {
  const each = await Promise.all(servers.map(({ program }) => program.cpuSeconds()));
  return each.reduce((sum, seconds) => sum + seconds, 0);
}
