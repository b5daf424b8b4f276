import type { Bench } from '../bench.ts';
import { CLOSURE_SIZE } from '../content.ts';
import { installClosure } from '../installers.ts';
import { type Compared, compare, type Line, type Scenario, shown } from '../scenario.ts';

const PEAK_MB = 200;

/** Sixty distributions that need each other, installed when all is stored, when nothing is, and when the upstream is gone. */
export const closure: Scenario = {
  name: 'closure',
  run: async (bench) => [
    ...(await warm(bench, 'uv')),
    ...(await warm(bench, 'pip')),
    await cold(bench),
    await outage(bench),
  ],
};

async function warm(bench: Bench, client: 'uv' | 'pip'): Promise<Line[]> {
  const { server } = await bench.pair();
  await installClosure(bench, client, server.url);
  const compared = await compare(bench.effort.rounds, {
    ours: () => installClosure(bench, client, server.url),
    beside: () => installClosure(bench, client, bench.limit.url),
  });
  const { peak } = await server.program.memory();
  await bench.stopAll();
  return [
    line(`${client} installs ${CLOSURE_SIZE} distributions, all stored`, compared, { most: 1.15, beside: 'nginx' }),
    {
      what: `memory at most, after ${client} installed them cold and then stored`,
      ours: shown(peak, 'MB'),
      goal: `< ${PEAK_MB} MB`,
      met: peak < PEAK_MB,
    },
  ];
}

async function cold(bench: Bench): Promise<Line> {
  const compared = await compare(bench.effort.rounds, {
    ours: async () => {
      const { server } = await bench.pair();
      await bench.breakIn(server);
      const seconds = await installClosure(bench, 'uv', server.url);
      await bench.stopAll();
      return seconds;
    },
    beside: () => installClosure(bench, 'uv', bench.limit.url),
  });
  return line('uv installs them, nothing stored', compared, { most: 2, beside: 'nginx' });
}

/** Both servers have stored everything, and their pages are due to be asked again; the upstream of one of them has gone. */
async function outage(bench: Bench): Promise<Line> {
  const whole = await bench.pair({ freshFor: '1s' });
  const cut = await bench.pair({ freshFor: '1s' });
  for (const { server } of [whole, cut]) await installClosure(bench, 'uv', server.url);
  await cut.upstream.program.stop();
  const compared = await compare(bench.effort.rounds, {
    ours: () => installClosure(bench, 'uv', cut.server.url),
    beside: () => installClosure(bench, 'uv', whole.server.url),
  });
  await bench.stopAll();
  return line('uv installs them, the upstream is gone', compared, { most: 1.05, beside: 'upstream there' });
}

function line(what: string, { ours, beside, ratio }: Compared, goal: { most: number; beside: string }): Line {
  return {
    what,
    ours: shown(ours, 's'),
    beside: `${goal.beside} ${shown(beside, 's')}`,
    ratio,
    goal: `≤ ${goal.most} ×`,
    met: ratio <= goal.most,
  };
}
