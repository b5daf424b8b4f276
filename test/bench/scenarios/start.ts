import { type Line, median, type Scenario, shown } from '../scenario.ts';

const START_MS = 1000;
const IDLE_MB = 90;
const SETTLE_MS = 3000;

/** From the call of the program to its first answer, and what it then takes. */
export const start: Scenario = {
  name: 'start',
  run: async (bench): Promise<readonly Line[]> => {
    const upstream = await bench.upstream();
    const started: number[] = [];
    const idle: number[] = [];
    for (let round = 0; round < bench.effort.rounds; round += 1) {
      const server = await bench.server({ upstream: `${upstream.url}/simple/` });
      started.push(server.startedMs);
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      idle.push((await server.program.memory()).now);
      await server.program.stop();
    }
    const [ms, megabytes] = [median(started), median(idle)];
    return [
      { what: 'start to first answer', ours: shown(ms, 'ms'), goal: `< ${START_MS} ms`, met: ms < START_MS },
      { what: 'memory, idle', ours: shown(megabytes, 'MB'), goal: `< ${IDLE_MB} MB`, met: megabytes < IDLE_MB },
    ];
  },
};
