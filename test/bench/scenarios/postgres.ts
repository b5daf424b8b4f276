import type { Bench } from '../bench.ts';
import { type Compared, compareAll, type Line, type Scenario, shown } from '../scenario.ts';
import type { BenchServer } from '../server.ts';
import { load } from '../wrk.ts';

const CONNECTIONS = 32;
const LEAST = 0.5;

interface Case {
  readonly what: string;
  readonly path: string;
  readonly unchanged?: true;
  readonly withToken?: true;
}

/** What is hot, from a server whose catalog is on PostgreSQL, beside one on SQLite. The database shares its processor with the clients. */
export const postgres: Scenario = {
  name: 'postgres',
  run: async (bench): Promise<readonly Line[]> => {
    const upstream = `${(await bench.upstream()).url}/simple/`;
    const url = await (await bench.postgres()).database();
    const ours = await bench.server({ upstream, config: { catalog: { kind: 'postgres', url } } });
    const beside = await bench.server({ upstream });
    for (const server of [ours, beside]) await bench.breakIn(server);
    const { page, file } = bench.project('usual');
    const cases: readonly Case[] = [
      { what: 'page of 110 files, PostgreSQL', path: page },
      { what: 'page with a token, PostgreSQL', path: page, withToken: true },
      { what: '304 on a page, PostgreSQL', path: page, unchanged: true },
      { what: 'file of 120 KB, PostgreSQL', path: file },
    ];
    const lines: Line[] = [];
    for (const one of cases) lines.push(...(await measure(bench, one, { ours, beside })));
    return lines;
  },
};

/** Requests a second, and those that a second of the server’s processor carries: what is left when the database is elsewhere. */
async function measure(
  { effort: { rounds, seconds } }: Bench,
  { what, path, unchanged, withToken }: Case,
  servers: { readonly ours: BenchServer; readonly beside: BenchServer },
): Promise<Line[]> {
  const loaded = async ({ url, token, program }: BenchServer) => {
    const headers = {
      Accept: 'application/vnd.pypi.simple.v1+json',
      'Accept-Encoding': 'identity',
      ...(withToken === undefined ? {} : { Authorization: `Bearer ${await reader(url, token)}` }),
    };
    const etag = (await fetch(url + path, { method: 'HEAD', headers })).headers.get('etag') ?? '';
    const all = { ...headers, ...(unchanged === undefined ? {} : { 'If-None-Match': etag }) };
    return async () => {
      const before = await program.cpuSeconds();
      const answered = await load({ url: url + path, connections: CONNECTIONS, seconds, headers: all });
      const wall = answered.requestsPerSecond;
      return { wall, cpu: (wall * seconds) / ((await program.cpuSeconds()) - before) };
    };
  };
  const { wall, cpu } = await compareAll(rounds, {
    ours: await loaded(servers.ours),
    beside: await loaded(servers.beside),
  });
  const line = (name: string, { ours, beside, ratio }: Compared, unit: string): Line => ({
    what: name,
    ours: shown(ours, unit),
    beside: `SQLite ${shown(beside, unit)}`,
    ratio,
    goal: `≥ ${LEAST} × SQLite`,
    met: ratio >= LEAST,
  });
  return [line(what, wall, 'req/s'), line(`${what}, by processor time`, cpu, 'req/CPU s')];
}

/** A token of the catalog; the administrator's is in the configuration. */
async function reader(url: string, admin: string): Promise<string> {
  const answer = await fetch(`${url}/admin/tokens`, {
    method: 'POST',
    headers: { authorization: `Bearer ${admin}` },
    body: JSON.stringify({ name: 'reader', can: ['read'] }),
  });
  return ((await answer.json()) as { token: string }).token;
}
