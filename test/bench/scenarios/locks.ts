import { readLock } from '../../../server/mirroring/lock-formats.ts';
import { LARGE_LOCKS, largeLock } from '../../support/large-locks.ts';
import type { Bench } from '../bench.ts';
import { type BenchPin, pinnedProjects } from '../content.ts';
import { type Line, median, type Scenario, shown } from '../scenario.ts';
import type { BenchServer } from '../server.ts';
import { mirrored } from './mirror.ts';

const PINS = 10_000;
const FEW_PINS = 100;
const DRILLED = 500;
const MOST_SECONDS = 1;
const MOST_MEMORY = 1.5;

/** Locks of every format with 10,000 pins; what mirroring one takes of memory; a drill. */
export const locks: Scenario = {
  name: 'locks',
  run: async (bench) => [...readAll(bench), ...(await drills(bench)), await memory(bench)],
};

/** Time of the processor, garbage collected meanwhile included: what others do at the same time does not count. */
function readAll({ effort }: Bench): Line[] {
  return LARGE_LOCKS.map((name) => {
    const text = largeLock(name, PINS);
    const times = Array.from({ length: effort.rounds + 1 }, () => {
      const begun = process.cpuUsage();
      if (readLock(text).entries.length !== PINS) throw new Error(`${name} was not read whole`);
      const { user, system } = process.cpuUsage(begun);
      return (user + system) / 1e6;
    });
    return quickly(`${name} with ${PINS.toLocaleString('en')} pins is read`, median(times));
  });
}

/** Everything is stored; the upstream is not asked. */
async function drills(bench: Bench): Promise<Line[]> {
  const pins = await pinnedProjects(bench.root, 'drilled', DRILLED);
  const { server } = await bench.pair();
  await mirrored(server, lockOf(pins, true), DRILLED);
  const lines: Line[] = [];
  for (const hashed of [true, false]) {
    const times: number[] = [];
    for (let round = 0; round <= bench.effort.rounds; round += 1)
      times.push(await drilled(server, lockOf(pins, hashed)));
    lines.push(quickly(`drill of ${DRILLED} pins with${hashed ? '' : 'out'} hashes`, median(times)));
  }
  await bench.stopAll();
  return lines;
}

async function drilled({ url, token }: BenchServer, body: string): Promise<number> {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'text/plain' };
  const begun = performance.now();
  const answer = await fetch(`${url}/admin/drill?name=requirements.txt`, { method: 'POST', headers, body });
  const { ready } = (await answer.json()) as { ready?: boolean };
  if (ready !== true) throw new Error('the drill says that the lock is not ready');
  return (performance.now() - begun) / 1000;
}

/** Peaks of two servers that store the same files: for one lock, or for many short ones. */
async function memory(bench: Bench): Promise<Line> {
  const most = bench.effort.rounds === 1 ? PINS / 10 : PINS;
  const pins = await pinnedProjects(bench.root, 'pinned', most);
  const peaks: number[] = [];
  for (const length of [most, FEW_PINS]) {
    const { server } = await bench.pair();
    await bench.breakIn(server);
    for (let from = 0; from < most; from += length)
      await mirrored(server, lockOf(pins.slice(from, from + length), true), length);
    peaks.push((await server.program.memory()).peak);
    await bench.stopAll();
  }
  const [ours = Number.NaN, beside = Number.NaN] = peaks;
  return {
    what: `memory at most, mirroring one lock of ${most.toLocaleString('en')} pins`,
    ours: shown(ours, 'MB'),
    beside: `in locks of ${FEW_PINS} ${shown(beside, 'MB')}`,
    ratio: ours / beside,
    goal: `≤ ${MOST_MEMORY} ×`,
    met: ours / beside <= MOST_MEMORY,
  };
}

function lockOf(pins: readonly BenchPin[], hashed: boolean): string {
  return pins
    .map(({ name, version, sha256 }) => `${name}==${version}${hashed ? ` --hash=sha256:${sha256}` : ''}\n`)
    .join('');
}

function quickly(what: string, seconds: number): Line {
  return { what, ours: shown(seconds, 's'), goal: `< ${MOST_SECONDS} s`, met: seconds < MOST_SECONDS };
}
