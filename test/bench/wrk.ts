import { run } from './run.ts';

export interface LoadOptions {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A file in Lua that says what to ask for. */
  readonly script?: string;
}

export interface Load {
  readonly requestsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly p99Ms: number;
}

const UNITS: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  m: 60_000,
  KB: 2 ** -10,
  MB: 1,
  GB: 2 ** 10,
};

/** Asks for `url` as fast as it is answered. Throws when an answer is an error or a connection breaks. */
export async function load({ url, connections, seconds, headers = {}, script }: LoadOptions): Promise<Load> {
  const lines = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const shape = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '30s', '--latency'];
  const scripted = script === undefined ? [] : ['-s', script];
  const { output } = await run('wrk', [...shape, ...lines, ...scripted, url]);
  const fault = /Non-2xx.*|Socket errors.*/.exec(output)?.[0];
  if (fault !== undefined) throw new Error(`${url}: ${fault}`);
  return {
    requestsPerSecond: figure(output, /Requests\/sec:\s+([\d.]+)()/),
    megabytesPerSecond: figure(output, /Transfer\/sec:\s+([\d.]+)(\w+)/),
    p99Ms: figure(output, /99%\s+([\d.]+)(\w+)/),
  };
}

function figure(output: string, pattern: RegExp): number {
  const [, value, unit = ''] = pattern.exec(output) ?? [];
  if (value === undefined) throw new Error(`wrk did not tell ${pattern}:\n${output}`);
  return Number(value) * (UNITS[unit] ?? 1);
}
