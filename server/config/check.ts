import type { z } from 'zod';
import { isObject } from '../model/json.ts';
import { type Complaint, complaintsOf, pathText } from './complaints.ts';
import { completed } from './complete.ts';
import { crossChecks } from './cross-checks.ts';
import { valueAt } from './keys.ts';
import { configSchema } from './schema.ts';

type Settings = z.output<typeof configSchema>;

/** The settings in what was written, with everything that is wrong with them; no settings when they cannot be read whole. */
export function checkSettings(written: Record<string, unknown>): { settings?: Settings; complaints: Complaint[] } {
  const raw = completed(written);
  const parsed = configSchema.safeParse(raw);
  if (parsed.success) return { settings: parsed.data, complaints: crossChecks(parsed.data, namesIn(raw, parsed.data)) };
  const complaints = complaintsOf(parsed.error.issues, raw);
  const rest = readable(raw, parsed.error.issues);
  if (rest !== undefined) {
    const more = crossChecks(rest.settings, namesIn(raw, rest.settings));
    complaints.push(...more.filter(({ path }) => !rest.dropped.some((place) => overlaps(path, place))));
  }
  return { complaints };
}

/** Names that the user gave, whether or not what they name can be read: a reference to them is no second mistake. */
function namesIn(raw: Record<string, unknown>, settings: Settings) {
  const keys = (own: unknown, read: object) => Object.keys(isObject(own) ? own : read);
  return {
    repositories: keys(raw.repositories, settings.repositories),
    indexes: keys(raw.indexes, settings.indexes),
  };
}

/**
 * As much of `raw` as can be read, so that one run tells everything: what is wrong is left out until what is left can be
 * read. Each round leaves out at least one key, so it ends.
 */
function readable(
  raw: Record<string, unknown>,
  issues: readonly z.core.$ZodIssue[],
): { settings: Settings; dropped: readonly string[] } | undefined {
  const rest = structuredClone(raw);
  const dropped: string[] = [];
  let left = issues;
  while (true) {
    const round: string[] = [];
    for (const path of left.flatMap(culprits)) {
      if (round.some((place) => overlaps(pathText(path), place))) continue;
      const gone = remove(rest, path);
      if (gone === undefined) return undefined;
      round.push(pathText(gone));
    }
    dropped.push(...round);
    const parsed = configSchema.safeParse(rest);
    if (parsed.success) return { settings: parsed.data, dropped };
    left = parsed.error.issues;
  }
}

/** The places that an issue is about; of a list the whole, since its parts cannot be left out alone. */
function culprits(issue: z.core.$ZodIssue): PropertyKey[][] {
  const inList = issue.path.findIndex((step) => typeof step === 'number');
  if (inList >= 0) return [issue.path.slice(0, inList)];
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => [...issue.path, key]);
  return [issue.path];
}

/** Removes what is at `path`, or what should have had it; `undefined` when that is the root. */
function remove(root: Record<string, unknown>, path: readonly PropertyKey[]): readonly PropertyKey[] | undefined {
  for (let length = path.length; length > 0; length -= 1) {
    const holder = valueAt(root, path.slice(0, length - 1));
    const key = path[length - 1];
    if (isObject(holder) && key !== undefined && Object.hasOwn(holder, key)) {
      Reflect.deleteProperty(holder, key);
      return path.slice(0, length);
    }
  }
  return undefined;
}

/** Is one of two places within the other? */
function overlaps(a: string, b: string): boolean {
  const within = (inner: string, outer: string) =>
    inner === outer || inner.startsWith(`${outer}.`) || inner.startsWith(`${outer}[`);
  return within(a, b) || within(b, a);
}
