import { createCipheriv, randomBytes } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import type { Bench } from '../bench.ts';
import { startReceiver } from '../receiver.ts';
import { run } from '../run.ts';
import { compare, type Line, type Scenario, shown } from '../scenario.ts';

const MEGABYTES = 500;
const LEAST = 0.6;
const MORE_MB = 120;

/** An application of 500 MB on its way in and out. */
export const bundles: Scenario = {
  name: 'bundles',
  run: async (bench) => {
    const receive = await startReceiver(bench);
    const server = await bench.server();
    const before = (await server.program.memory()).now;
    const authorization = ['-H', `Authorization: Bearer ${server.token}`];
    let version = 0;
    let url = '';
    const rateOf = async (send: (path: string) => Promise<number>): Promise<number> => {
      const path = await noiseFile(bench);
      const seconds = await send(path);
      await rm(path);
      return MEGABYTES / seconds;
    };
    const inwards = await compare(bench.effort.rounds, {
      ours: () =>
        rateOf(async (path) => {
          version += 1;
          url = `${server.url}/bundles/editor/${version}.0/editor.bin`;
          return (await run('curl', ['-sSf', ...authorization, '-T', path, url])).seconds;
        }),
      beside: () => rateOf(receive),
    });
    const path = await noiseFile(bench);
    const outwards = await compare(bench.effort.rounds, {
      ours: async () => MEGABYTES / (await run('sh', ['-c', 'curl -sSf "$0" | sha256sum', url])).seconds,
      beside: async () => MEGABYTES / (await run('sha256sum', [path])).seconds,
    });
    const more = (await server.program.memory()).peak - before;
    return [
      line(`bundle of ${MEGABYTES} MB in`, 'PUT, sha256, disk', inwards),
      line('the same out, into sha256sum', 'sha256sum of the file', outwards),
      { what: 'more memory meanwhile', ours: shown(more, 'MB'), goal: `< ${MORE_MB} MB`, met: more < MORE_MB },
    ];
  },
};

function line(what: string, beside: string, compared: { ours: number; beside: number; ratio: number }): Line {
  return {
    what,
    ours: shown(compared.ours, 'MB/s'),
    beside: `${beside} ${shown(compared.beside, 'MB/s')}`,
    ratio: compared.ratio,
    goal: `≥ ${LEAST} ×`,
    met: compared.ratio >= LEAST,
  };
}

/** A file that no other is like and that does not compress. */
async function noiseFile(bench: Bench): Promise<string> {
  const path = `${bench.folder()}.bin`;
  const cipher = createCipheriv('aes-256-ctr', randomBytes(32), Buffer.alloc(16));
  const file = await open(path, 'w');
  for (let written = 0; written < MEGABYTES; written += 1) await file.write(cipher.update(Buffer.alloc(1_000_000)));
  await file.close();
  return path;
}
