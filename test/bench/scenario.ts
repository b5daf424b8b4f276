import type { Bench } from './bench.ts';

/** One line of the table: a figure of ours, the limit or peer of the same run, and what is wanted. */
export interface Line {
  readonly what: string;
  readonly ours: string;
  /** What it is compared with, where it is compared. */
  readonly beside?: string;
  readonly ratio?: number;
  readonly goal: string;
  readonly met: boolean;
}

/** A benchmark that can be run by its name. */
export interface Scenario {
  readonly name: string;
  run(bench: Bench): Promise<readonly Line[]>;
}

/** Both sides of a comparison: the median of each, and of the ratios within the rounds. */
export interface Compared {
  readonly ours: number;
  readonly beside: number;
  readonly ratio: number;
}

interface Sides<M> {
  readonly ours: () => Promise<M>;
  readonly beside: () => Promise<M>;
}

/** Measures both sides in turns, so that whatever else the machine does meets both; the first turn is not counted. */
export async function compare(rounds: number, { ours, beside }: Sides<number>): Promise<Compared> {
  const { figure } = await compareAll(rounds, {
    ours: async () => ({ figure: await ours() }),
    beside: async () => ({ figure: await beside() }),
  });
  return figure;
}

/** The same of several figures that are measured at once. */
export async function compareAll<K extends string>(
  rounds: number,
  sides: Sides<Readonly<Record<K, number>>>,
): Promise<Readonly<Record<K, Compared>>> {
  const first = await sides.beside();
  await sides.ours();
  const ours: Readonly<Record<K, number>>[] = [];
  const beside: Readonly<Record<K, number>>[] = [];
  for (let round = 0; round < rounds; round += 1) {
    // Who goes first meets the colder caches.
    for (const side of round % 2 === 0 ? (['beside', 'ours'] as const) : (['ours', 'beside'] as const)) {
      (side === 'ours' ? ours : beside).push(await sides[side]());
    }
  }
  const compared = (key: K): Compared => ({
    ours: median(ours.map((figures) => figures[key])),
    beside: median(beside.map((figures) => figures[key])),
    ratio: median(ours.map((figures, round) => figures[key] / (beside[round]?.[key] ?? Number.NaN))),
  });
  const keys = Object.keys(first) as K[];
  return Object.fromEntries(keys.map((key) => [key, compared(key)])) as Readonly<Record<K, Compared>>;
}

/** The middle value; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low = Number.NaN, high = low] = sorted.slice(Math.ceil(middle) - 1, Math.floor(middle) + 1);
  return (low + high) / 2;
}

/** A number as people read it: three digits that count. */
export function shown(value: number, unit: string): string {
  const text =
    value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(value < 0.01 ? 1 : value < 1 ? 2 : 3);
  return `${text} ${unit}`;
}
