import { rm, writeFile } from 'node:fs/promises';
import type { Bench } from '../bench.ts';
import { type BenchProject, MIRRORED, mirroredProjects } from '../content.ts';
import { ALL_CPUS } from '../machine.ts';
import { run } from '../run.ts';
import { compare, type Line, type Scenario, shown } from '../scenario.ts';
import type { BenchServer } from '../server.ts';

const AT_ONCE = 8;
const MOST = 1.3;

/** A lock of a hundred wheels made outage-proof, beside curl that fetches the same files to the same disk. */
export const mirror: Scenario = {
  name: 'mirror',
  run: async (bench) => {
    const projects = await mirroredProjects(bench.root, 'mirrored');
    const others = await mirroredProjects(bench.root, 'other');
    const upstream = await bench.upstream();
    const urls = projects.map(({ name, filename }) => `${upstream.url}/simple/${name}/${filename}`);
    const ours = async (): Promise<number> => {
      const server = await bench.server({ upstream: `${upstream.url}/simple/`, cpus: ALL_CPUS });
      // As a server has done that runs for a while.
      await mirrored(server, lockOf(others), MIRRORED.count);
      const begun = performance.now();
      await mirrored(server, lockOf(projects), MIRRORED.count);
      const seconds = (performance.now() - begun) / 1000;
      await server.program.stop();
      return seconds;
    };
    const lines: Line[] = [];
    for (const isSynced of [false, true]) {
      const compared = await compare(bench.effort.rounds, { ours, beside: () => fetched(bench, urls, isSynced) });
      lines.push({
        what: isSynced ? 'the same' : `mirroring ${MIRRORED.count} wheels of ${MIRRORED.bytes / 1e6} MB`,
        ours: shown(compared.ours, 's'),
        beside: `curl, ${AT_ONCE} at a time${isSynced ? ', synced as ours are' : ''} ${shown(compared.beside, 's')}`,
        ratio: compared.ratio,
        goal: `≤ ${MOST} × curl`,
        met: compared.ratio <= MOST,
      });
    }
    return lines;
  },
};

function lockOf(projects: readonly BenchProject[]): string {
  return projects.map(({ name, version, sha256 }) => `${name}==${version} --hash=sha256:${sha256}\n`).join('');
}

/** Runs the job to its end. Throws unless it stored so many files. */
export async function mirrored({ url, token }: BenchServer, lock: string, files: number): Promise<void> {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'text/plain' };
  const answer = await fetch(`${url}/admin/mirror?name=requirements.txt`, { method: 'POST', headers, body: lock });
  const at = answer.headers.get('location');
  if (answer.status !== 202 || at === null) throw new Error(`no job was begun: ${await answer.text()}`);
  // Its events end when it does.
  await (await fetch(`${url}${at}/events`, { headers })).text();
  const job = (await (await fetch(url + at, { headers })).json()) as { state: string; counts: { stored?: number } };
  if (job.state !== 'succeeded' || job.counts.stored !== files) throw new Error(JSON.stringify(job));
}

/** Seconds until curl has them; with `isSynced`, until they are on the disk. */
async function fetched(bench: Bench, urls: readonly string[], isSynced: boolean): Promise<number> {
  const folder = bench.folder();
  const list = `${folder}.curl`;
  await writeFile(list, urls.map((url) => `url = "${url}"\nremote-name\n`).join(''));
  const many = ['--parallel', '--parallel-immediate', '--parallel-max', String(AT_ONCE)];
  const { seconds } = await run('taskset', [
    '-c',
    ALL_CPUS,
    'curl',
    ...['-sSf', '--no-progress-meter', '--create-dirs', '--output-dir', folder, ...many, '-K', list],
  ]);
  const sync = isSynced ? await run('sh', ['-c', 'exec sync "$1"/*', 'sh', folder]) : undefined;
  await rm(folder, { recursive: true });
  await rm(list);
  return seconds + (sync?.seconds ?? 0);
}
