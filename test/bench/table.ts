import { readFile, writeFile } from 'node:fs/promises';
import type { Line } from './scenario.ts';

/** A line as it was measured. */
export interface Row extends Line {
  readonly scenario: string;
  /** Other work kept the machine busy meanwhile. */
  readonly noisy: boolean;
  /** YYYY-MM-DD. */
  readonly on: string;
}

const HEADS = ['', 'ours', 'beside it', 'ratio', 'goal', 'met', 'scenario', 'on'];

/** The rows as Markdown, which reads as well on a terminal. */
export function tableOf(rows: readonly Row[]): string[] {
  const cells = [HEADS, ...rows.map(cellsOf)];
  const widths = HEADS.map((_, column) => Math.max(3, ...cells.map((row) => (row[column] ?? '').length)));
  const lines = cells.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`);
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  return [lines[0] ?? '', rule, ...lines.slice(1)];
}

function cellsOf(row: Row): string[] {
  const ratio = row.ratio === undefined ? '' : row.ratio.toFixed(2);
  const met = `${row.met ? 'yes' : '**no**'}${row.noisy ? ' (busy machine)' : ''}`;
  return [row.what, row.ours, row.beside ?? '', ratio, row.goal, met, row.scenario, row.on];
}

const INTRODUCTION = `# Performance

Figures of \`npm run bench\`, which writes this page; \`npm run bench -- --help\` says how. What is measured is the program as it is built, with its
log on, kept to one processor; clients and upstreams have the others. Large uploads, bundles and mirroring may use
all of them. What it is compared with serves or stores the same bytes in the same run, in turns with it, on the same processors. Figures are medians, ratios medians of the ratios within the turns. nginx is asked
for plain files, without a log; “direct” is a client that asks the upstream itself.

The goals say how far from the possible a server with rules may be. Where one is not met, the line says so.
`;

/** Writes the rows to the page, over those of the same scenarios, in `order`; rows of another machine go. */
export async function writePage(
  path: string,
  {
    machine,
    rows,
    order,
  }: { readonly machine: string; readonly rows: readonly Row[]; readonly order: readonly string[] },
): Promise<void> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const measured = new Set(rows.map((row) => row.scenario));
  const before = text.includes(machine) ? text.split('\n').map(rowOf) : [];
  const kept = before.filter((row) => row !== undefined).filter((row) => !measured.has(row.scenario));
  const all = [...kept, ...rows].sort((a, b) => order.indexOf(a.scenario) - order.indexOf(b.scenario));
  await writeFile(path, `${INTRODUCTION}\n${machine}.\n\n${tableOf(all).join('\n')}\n`);
}

function rowOf(line: string): Row | undefined {
  if (!line.startsWith('| ')) return undefined;
  const [, what = '', ours = '', beside = '', ratio = '', goal = '', met = '', scenario = '', on = ''] = line
    .split('|')
    .map((cell) => cell.trim());
  if (what === '') return undefined;
  return {
    ...{ what, ours, goal, scenario, on, met: met.startsWith('yes'), noisy: met.includes('busy') },
    ...(beside === '' ? {} : { beside }),
    ...(ratio === '' ? {} : { ratio: Number(ratio) }),
  };
}
