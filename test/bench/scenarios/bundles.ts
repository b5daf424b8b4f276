import { createCipheriv, randomBytes } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from '../bench.ts';
import { ALL_CPUS } from '../machine.ts';
import { p99While } from '../paced.ts';
import { type PackedArchive, writePackedArchive } from '../packed-archive.ts';
import { startReceiver } from '../receiver.ts';
import { run } from '../run.ts';
import { type Compared, compare, type Line, median, type Scenario, shown } from '../scenario.ts';
import type { BenchServer } from '../server.ts';

const MEGABYTES = 500;
const MEMBERS = 2000;
const LEAST = 0.6;
const MORE_MB = 120;
const READ = { megabytes: 200, members: 20_000 };
const READ_SECONDS = 3;
const QUIET_MS = 3000;
const MORE_P99_MS = 25;

/**
 * An application of 500 MB on its way in and out, as noise and as an archive that is looked into; and what looking costs others. Both sides may
 * use every processor: what a thread of its own does is part of the design.
 */
export const bundles: Scenario = {
  name: 'bundles',
  run: async (bench) => {
    const sorts: readonly Sort[] = [
      { what: `bundle of ${MEGABYTES} MB`, filename: 'editor.bin', write: noiseFile },
      { what: `.tar.gz of ${MEGABYTES} MB, 3.7 times that inside,`, filename: 'editor.tar.gz', write: packedFile },
    ];
    const lines: Line[] = [];
    for (const sort of sorts) lines.push(...(await thereAndBack(bench, sort)));
    return [...lines, ...(await reading(bench))];
  },
};

/** A sort of file, and how to write one that no other is like. Answers its bytes. */
interface Sort {
  readonly what: string;
  readonly filename: string;
  readonly write: (path: string) => Promise<number>;
}

async function thereAndBack(bench: Bench, { what, filename, write }: Sort): Promise<readonly Line[]> {
  const receive = await startReceiver(bench, ALL_CPUS);
  const server = await bench.server({ cpus: ALL_CPUS });
  const before = (await server.program.memory()).now;
  let version = 0;
  const rateOf = async (send: (path: string) => Promise<number>): Promise<number> => {
    const path = `${bench.folder()}.${filename}`;
    const bytes = await write(path);
    const seconds = await send(path);
    await rm(path);
    return bytes / 1e6 / seconds;
  };
  const inwards = await compare(bench.effort.rounds, {
    ours: () =>
      rateOf(async (path) => {
        version += 1;
        const { seconds } = await put(server, path, `/bundles/editor/${version}.0/${filename}`);
        // What is still being read must not slow down the other side.
        await run('curl', ['-sSf', `${server.url}/bundles/editor/${version}.0`]);
        return seconds;
      }),
    beside: () => rateOf(receive),
  });
  const path = `${bench.folder()}.${filename}`;
  const megabytes = (await write(path)) / 1e6;
  const url = `${server.url}/bundles/editor/${version}.0/${filename}`;
  const outwards = await compare(bench.effort.rounds, {
    ours: async () => megabytes / (await run('sh', ['-c', 'curl -sSf "$0" | sha256sum', url])).seconds,
    beside: async () => megabytes / (await run('sha256sum', [path])).seconds,
  });
  await rm(path);
  const more = (await server.program.memory()).peak - before;
  await server.program.stop();
  return [
    line(`${what} in`, 'PUT, sha256, disk', inwards),
    line('the same out, into sha256sum', 'sha256sum of the file', outwards),
    { what: 'more memory meanwhile', ours: shown(more, 'MB'), goal: `< ${MORE_MB} MB`, met: more < MORE_MB },
  ];
}

/** How long the contents take, and how long others wait meanwhile. */
async function reading(bench: Bench): Promise<readonly Line[]> {
  const upstream = await bench.upstream();
  const server = await bench.server({ upstream: `${upstream.url}/simple/`, cpus: ALL_CPUS });
  await bench.breakIn(server);
  const page = server.url + bench.project('usual').page;
  const seconds: number[] = [];
  const busy: number[] = [];
  const quiet: number[] = [];
  for (let round = 0; round < bench.effort.rounds; round += 1) {
    const path = `${bench.folder()}.tar.gz`;
    await writePackedArchive(path, READ);
    quiet.push(await p99While(page, delay(QUIET_MS)));
    const stored = `/bundles/editor/${round}.0`;
    await put(server, path, `${stored}/editor-${round}.tar.gz`);
    const begun = performance.now();
    busy.push(await p99While(page, run('curl', ['-sSf', '-o', '/dev/null', server.url + stored])));
    seconds.push((performance.now() - begun) / 1000);
    await rm(path);
  }
  const took = median(seconds);
  const { megabytes, members } = READ;
  return [
    {
      what: `what is inside of a .tar.gz of ${megabytes} MB, ${members.toLocaleString('en')} members, known after its PUT`,
      ours: shown(took, 's'),
      goal: `< ${READ_SECONDS} s`,
      met: took < READ_SECONDS,
    },
    {
      what: 'p99 of a hot page meanwhile, 200 requests a second',
      ours: shown(median(busy), 'ms'),
      beside: `without ${shown(median(quiet), 'ms')}`,
      goal: `< ${MORE_P99_MS} ms more`,
      met: median(busy) - median(quiet) < MORE_P99_MS,
    },
  ];
}

async function put(server: BenchServer, path: string, to: string): Promise<{ readonly seconds: number }> {
  return await run('curl', ['-sSf', '-H', `Authorization: Bearer ${server.token}`, '-T', path, server.url + to]);
}

function line(what: string, beside: string, { ours, beside: other, ratio }: Compared): Line {
  return {
    what,
    ours: shown(ours, 'MB/s'),
    beside: `${beside} ${shown(other, 'MB/s')}`,
    ratio,
    goal: `≥ ${LEAST} ×`,
    met: ratio >= LEAST,
  };
}

async function packedFile(path: string): Promise<number> {
  const { bytes }: PackedArchive = await writePackedArchive(path, { megabytes: MEGABYTES, members: MEMBERS });
  return bytes;
}

/** Bytes that do not compress. */
async function noiseFile(path: string): Promise<number> {
  const cipher = createCipheriv('aes-256-ctr', randomBytes(32), Buffer.alloc(16));
  const file = await open(path, 'w');
  for (let written = 0; written < MEGABYTES; written += 1) await file.write(cipher.update(Buffer.alloc(1_000_000)));
  await file.close();
  return MEGABYTES * 1e6;
}
