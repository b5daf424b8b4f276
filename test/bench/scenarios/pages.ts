import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bench } from '../bench.ts';
import type { SingleName } from '../content.ts';
import { run } from '../run.ts';
import { compare, type Line, type Scenario, shown } from '../scenario.ts';
import { load } from '../wrk.ts';

const JSON_TYPE = 'application/vnd.pypi.simple.v1+json';
const CONNECTIONS = 32;

interface PageCase {
  readonly what: string;
  readonly project: SingleName;
  readonly accept: string;
  readonly gzip?: true;
  /** Ask with the tag of the page that is there. */
  readonly unchanged?: true;
  readonly least: number;
}

/** Pages that are kept, asked for by many at once. */
export const pages: Scenario = {
  name: 'pages',
  run: (bench) =>
    measure(bench, [
      { what: 'page of 12 files, JSON', project: 'small', accept: JSON_TYPE, least: 0.4 },
      { what: 'page of 12 files, HTML', project: 'small', accept: 'text/html', least: 0.4 },
      { what: 'page of 110 files, JSON', project: 'usual', accept: JSON_TYPE, least: 0.4 },
      { what: 'page of 4,300 files, JSON, gzip', project: 'huge', accept: JSON_TYPE, gzip: true, least: 0.5 },
      { what: '304 on a page', project: 'usual', accept: JSON_TYPE, unchanged: true, least: 0.45 },
    ]),
};

async function measure(bench: Bench, cases: readonly PageCase[]): Promise<readonly Line[]> {
  const { server } = await bench.pair();
  const lines: Line[] = [];
  for (const { what, project, accept, gzip, unchanged, least } of cases) {
    const headers = { Accept: accept, 'Accept-Encoding': gzip === undefined ? 'identity' : 'gzip' };
    const ours = `${server.url}${bench.project(project).page}`;
    const theirs = `${bench.limit.url}/${await copyPage(bench, ours, accept)}`;
    const loadOf = async (url: string) => {
      const condition = unchanged === undefined ? {} : { 'If-None-Match': await tagOf(url, headers) };
      const { seconds } = bench.effort;
      const all = { ...headers, ...condition };
      return (await load({ url, connections: CONNECTIONS, seconds, headers: all })).requestsPerSecond;
    };
    const { ratio, ...both } = await compare(bench.effort.rounds, {
      ours: () => loadOf(ours),
      beside: () => loadOf(theirs),
    });
    lines.push({
      what,
      ours: shown(both.ours, 'req/s'),
      beside: `nginx ${shown(both.beside, 'req/s')}`,
      ratio,
      goal: `≥ ${least} × nginx`,
      met: ratio >= least,
    });
  }
  return lines;
}

/** Puts the bytes of our page, and its compressed form, where nginx serves them; answers its path there. */
async function copyPage(bench: Bench, url: string, accept: string): Promise<string> {
  await mkdir(join(bench.root, 'same'), { recursive: true });
  const path = `same/${url.split('/').at(-2)}.${accept === JSON_TYPE ? 'json' : 'html'}`;
  const copy = (to: string, encoding: string) =>
    run('curl', ['-sSf', '-H', `Accept: ${accept}`, '-H', `Accept-Encoding: ${encoding}`, '-o', to, url]);
  await copy(join(bench.root, path), 'identity');
  await copy(join(bench.root, `${path}.gz`), 'gzip');
  return path;
}

async function tagOf(url: string, headers: Readonly<Record<string, string>>): Promise<string> {
  const { headers: answered } = await fetch(url, { method: 'HEAD', headers });
  return answered.get('etag') ?? '';
}
