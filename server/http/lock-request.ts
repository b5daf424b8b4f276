import { type Request, type RequestHandler, raw } from 'express';
import { z } from 'zod';
import type { LockOrder } from '../mirroring/lock-orders.ts';
import { Problem } from '../problem.ts';
import { orAbsent, validated } from './validate.ts';

const fileName = z
  .string()
  .min(1)
  .max(300)
  .regex(/^[^\p{Cc}]*$/u, { error: 'Control characters have no place in a file name' });

/** The name under which a lock is kept. */
const lockName = z.string().regex(/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$/, {
  error: 'Expected a name of letters, digits, "-", "_" and "." (at most 100, none but letters and digits at the ends)',
});

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const SHORTEST_WATCH_MS = 60_000;
const LONGEST_WATCH_MS = 366 * 86_400_000;

const interval = z
  .string()
  .transform((text) => Number(/^(\d{1,5})[mhd]$/.exec(text)?.[1] ?? 0) * (UNITS[text.slice(-1)] ?? 0))
  .refine((ms) => ms >= SHORTEST_WATCH_MS && ms <= LONGEST_WATCH_MS, {
    error: 'Expected a time between 1m and 366d, such as 12h',
  });

const wanted = z.strictObject({
  name: fileName,
  content: z.string(),
  parts: orAbsent(z.record(fileName, z.string())),
  index: orAbsent(z.string().max(100)),
  targets: orAbsent(z.array(z.string().max(100)).max(50)),
  sdists: orAbsent(z.boolean()),
  keep: orAbsent(lockName),
  watch: z
    .strictObject({ url: z.url({ protocol: /^https?$/ }).max(2000), every: interval })
    .nullable()
    .optional(),
});

const flags = z
  .enum(['1', 'true', 'yes', '', '0', 'false', 'no'])
  .transform((text) => !['0', 'false', 'no'].includes(text));
const several = z.union([z.string(), z.array(z.string())]).transform((given) => [given].flat());

const query = z.object({
  name: fileName,
  index: z.string().optional(),
  target: several.optional(),
  targets: several.optional(),
  sdists: flags.optional(),
  keep: z.string().optional(),
});

/** Takes in a body of at most `maxBytes`, whatever type it says it has; in JSON a lock's text is longer than it is. */
export function lockBody(maxBytes: number): RequestHandler {
  const plain = raw({ limit: maxBytes, type: () => true });
  const quoted = raw({ limit: maxBytes * 2 + 64 * 1024, type: () => true });
  return (req, res, next) => (isJson(req) ? quoted : plain)(req, res, next);
}

/**
 * What is asked for a lock: JSON (`{name, content, parts?, index?, targets?, sdists?, keep?, watch?}`), or the text itself and the rest in
 * the query. Throws `malformed-request`, `payload-too-large`.
 */
export function lockOrder(req: Request, maxBytes: number): LockOrder {
  const bytes: unknown = req.body;
  const text = decoded(Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0));
  const {
    name,
    content,
    parts,
    index,
    targets = [],
    sdists = false,
    keep,
    watch,
  } = validated(wanted, isJson(req) ? parsed(text) : fromQuery(req, text));
  const size = [content, ...Object.values(parts ?? {})].reduce((sum, each) => sum + Buffer.byteLength(each), 0);
  if (size > maxBytes)
    throw new Problem('payload-too-large', `The lock is larger than the limit of ${maxBytes} bytes.`);
  if (watch && keep === undefined)
    throw new Problem('malformed-request', '/watch: Only a lock that is kept can be watched: give "keep" as well.');
  return {
    text: { name, content, ...(parts === undefined ? {} : { parts }) },
    targets,
    sdists,
    ...(index === undefined ? {} : { index }),
    ...(keep === undefined ? {} : { keep }),
    ...(watch === undefined ? {} : { watch: watch && { url: watch.url, everyMs: watch.every } }),
  };
}

function isJson(req: Request): boolean {
  return /^application\/(?:[\w.+-]+\+)?json\b/i.test(req.headers['content-type'] ?? '');
}

function fromQuery(req: Request, content: string): unknown {
  if (req.query.name === undefined) {
    throw new Problem(
      'malformed-request',
      'The query must say which file this is, such as ?name=requirements.txt: its name tells the format.',
    );
  }
  // Of nothing at all everything would be here, and a drill would prove what nobody asked.
  if (content === '') throw new Problem('malformed-request', 'The body is empty: it must be the text of the lock.');
  const { name, index, target, targets, sdists, keep } = validated(query, req.query);
  const all = [...(target ?? []), ...(targets ?? [])].flatMap((each) => each.split(',')).filter((each) => each !== '');
  return {
    name,
    content,
    targets: all,
    ...(index === undefined ? {} : { index }),
    ...(sdists === undefined ? {} : { sdists }),
    ...(keep === undefined ? {} : { keep }),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Problem('malformed-request', 'The body is not valid JSON.', { cause: error });
  }
}

/** UTF-8, or UTF-16 with its mark, which PowerShell writes. */
function decoded(bytes: Buffer): string {
  const [a, b] = bytes;
  const encoding = a === 0xff && b === 0xfe ? 'utf-16le' : a === 0xfe && b === 0xff ? 'utf-16be' : 'utf-8';
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (error) {
    throw new Problem('malformed-request', 'The body is not text in UTF-8.', { cause: error });
  }
}
