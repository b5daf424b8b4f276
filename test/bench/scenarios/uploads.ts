import { rm, writeFile } from 'node:fs/promises';
import { SpoolHashes } from '../../../storage/spool-hashes.ts';
import { multipart, multipartHeaders, partsOf } from '../../support/multipart.ts';
import { makeWheel } from '../../support/wheel.ts';
import type { Bench } from '../bench.ts';
import { ALL_CPUS } from '../machine.ts';
import { startReceiver } from '../receiver.ts';
import { run } from '../run.ts';
import { compare, type Line, median, type Scenario, shown } from '../scenario.ts';
import type { BenchServer } from '../server.ts';

const AT_ONCE = 8;
const SMALL_BYTES = 20_000;
const PER_ROUND = 200;
const PER_SECOND = 150;
const LARGE_BYTES = 300_000_000;
const LEAST = 0.6;
const MORE_MB = 120;

/** What CI sends: many small wheels, and one that is large. */
export const uploads: Scenario = {
  name: 'uploads',
  run: async (bench) => [await small(bench), ...(await large(bench))],
};

async function small(bench: Bench): Promise<Line> {
  const server = await bench.server();
  const rates: number[] = [];
  for (let round = 0; round < bench.effort.rounds; round += 1) {
    const bodies = Array.from({ length: PER_ROUND }, (_, index) => {
      const file = makeWheel({ name: `small-${index % 20}`, version: `${round}.${index}`, padding: SMALL_BYTES });
      return multipart(partsOf(file));
    });
    const begun = performance.now();
    await Promise.all(Array.from({ length: AT_ONCE }, () => uploadAll(server, bodies)));
    rates.push((PER_ROUND * 1000) / (performance.now() - begun));
  }
  const rate = median(rates);
  return {
    what: `uploads of wheels of 20 KB, ${AT_ONCE} at a time`,
    ours: shown(rate, '/s'),
    goal: `≥ ${PER_SECOND} /s`,
    met: rate >= PER_SECOND,
  };
}

/** Sends bodies for as long as there are some. */
async function uploadAll(server: BenchServer, bodies: Buffer<ArrayBufferLike>[]): Promise<void> {
  for (let body = bodies.pop(); body !== undefined; body = bodies.pop()) {
    const headers = { ...multipartHeaders(body), Authorization: `Bearer ${server.token}` };
    const answer = await fetch(`${server.url}/legacy/`, { method: 'POST', headers, body: new Uint8Array(body) });
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`an upload was answered with ${answer.status}: ${text}`);
  }
}

/** What twine tells of a file beside its sha256; all of it is checked. */
async function digestsOf(bytes: Buffer): Promise<Readonly<Record<string, string>>> {
  const hashes = await SpoolHashes.create(['md5', 'blake2b-256']);
  hashes.update(bytes);
  const { md5 = '', 'blake2b-256': blake2b = '' } = hashes.finish().extra;
  return { md5_digest: md5, blake2_256_digest: blake2b };
}

async function large(bench: Bench): Promise<readonly Line[]> {
  // Both may use every processor: large files are hashed and written in a thread.
  const receive = await startReceiver(bench, ALL_CPUS);
  const server = await bench.server({ cpus: ALL_CPUS });
  const type = multipartHeaders(Buffer.alloc(0))['Content-Type'];
  const headers = ['-H', `Content-Type: ${type}`, '-H', `Authorization: Bearer ${server.token}`];
  // Without the slash: curl would add its own name of the file.
  const post = (form: string) => run('curl', ['-sSf', ...headers, '-X', 'POST', '-T', form, `${server.url}/legacy`]);
  const before = (await server.program.memory()).now;
  let version = 0;
  const rateOf = async (send: (form: string) => Promise<number>): Promise<number> => {
    version += 1;
    const form = `${bench.folder()}.form`;
    const file = makeWheel({ name: 'large', version: `${version}.0`, padding: LARGE_BYTES });
    await writeFile(form, multipart(partsOf(file, await digestsOf(file.bytes))));
    const seconds = await send(form);
    await rm(form);
    return LARGE_BYTES / 1e6 / seconds;
  };
  const compared = await compare(bench.effort.rounds, {
    ours: () => rateOf(async (form) => (await post(form)).seconds),
    beside: () => rateOf(receive),
  });
  const more = (await server.program.memory()).peak - before;
  return [
    {
      what: 'upload of a wheel of 300 MB, with the three digests that twine sends',
      ours: shown(compared.ours, 'MB/s'),
      beside: `PUT, sha256, disk ${shown(compared.beside, 'MB/s')}`,
      ratio: compared.ratio,
      goal: `≥ ${LEAST} ×`,
      met: compared.ratio >= LEAST,
    },
    { what: 'more memory meanwhile', ours: shown(more, 'MB'), goal: `< ${MORE_MB} MB`, met: more < MORE_MB },
  ];
}
