import { download } from '../run.ts';
import { type Line, type Scenario, shown } from '../scenario.ts';
import { load } from '../wrk.ts';

const OPEN_MS = 50;
const BEFORE_S = 2;
const FRESH_MS = 1000;
// More than an upstream needs to fail to be left alone.
const QUESTIONS = 6;

/** An upstream that takes connections and never answers, and pages that are kept but due to be asked again. */
export const hangingUpstream: Scenario = {
  name: 'hanging-upstream',
  run: async (bench): Promise<readonly Line[]> => {
    const { server, upstream } = await bench.pair({ freshFor: `${FRESH_MS}ms`, timeout: '3s' });
    const url = server.url + bench.project('usual').page;
    await download(url);
    await new Promise((resolve) => setTimeout(resolve, FRESH_MS + 100));
    upstream.program.pause();
    const before: number[] = [];
    for (let question = 0; question < QUESTIONS; question += 1) before.push((await download(url)).whole);
    await opened(server.url);
    const { p99Ms } = await load({ url, connections: 8, seconds: bench.effort.seconds });
    const longest = Math.max(...before);
    return [
      {
        what: 'known page, the upstream hangs: the longest answer at first',
        ours: shown(longest, 's'),
        goal: `≤ ${BEFORE_S} s`,
        met: longest <= BEFORE_S,
      },
      {
        what: 'the same once the upstream counts as down: p99',
        ours: shown(p99Ms, 'ms'),
        goal: `< ${OPEN_MS} ms`,
        met: p99Ms < OPEN_MS,
      },
    ];
  },
};

/** Waits until the server says that its upstream is down, which pages that are asked for bring about. */
async function opened(base: string): Promise<void> {
  for (;;) {
    const metrics = await (await fetch(`${base}/metrics`)).text();
    if (metrics.includes('stormcellar_upstream_up{upstream="pypi"} 0')) return;
    await fetch(`${base}/simple/never-heard-of-${performance.now().toFixed(0)}/`);
  }
}
