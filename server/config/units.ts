import { z } from 'zod';

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
const MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const SIZE = /^(\d+(?:\.\d+)?)(B|KB|KiB|MB|MiB|GB|GiB|TB|TiB)$/;
const BYTES = {
  B: 1,
  KB: 1e3,
  KiB: 2 ** 10,
  MB: 1e6,
  MiB: 2 ** 20,
  GB: 1e9,
  GiB: 2 ** 30,
  TB: 1e12,
  TiB: 2 ** 40,
} as const;

/** `"10m"` to milliseconds; `undefined` when it is no duration. Units: ms, s, m, h, d. */
export function parseDuration(text: string): number | undefined {
  const match = DURATION.exec(text);
  return match === null ? undefined : Math.round(Number(match[1]) * MS[match[2] as keyof typeof MS]);
}

/** `"2GiB"` to bytes; `undefined` when it is no size. KB, MB, GB, TB count in thousands, KiB, MiB, GiB, TiB in 1024. */
export function parseSize(text: string): number | undefined {
  const match = SIZE.exec(text);
  return match === null ? undefined : Math.round(Number(match[1]) * BYTES[match[2] as keyof typeof BYTES]);
}

const expectedDuration = 'a duration such as "10m" (units: ms, s, m, h, d)';
const expectedSize = 'a size such as "2GiB" (units: B, KB, KiB, MB, MiB, GB, GiB, TB, TiB), or a number of bytes';

// Longer delays than this wrap around in Node's timers and fire at once.
const LONGEST_MS = 24 * MS.d;

/** A duration in the file, milliseconds in the program. `most`: 24 days when absent; more only for what is never given to a timer. */
export function duration(limits: { readonly least?: string; readonly most?: string } = {}) {
  const least = parseDuration(limits.least ?? '0s') ?? 0;
  const most = limits.most === undefined ? LONGEST_MS : (parseDuration(limits.most) ?? LONGEST_MS);
  return z
    .string({ error: expectedDuration })
    .transform((text, context) => {
      const ms = parseDuration(text);
      if (ms === undefined) context.addIssue({ code: 'custom', message: expectedDuration });
      else if (ms < least) context.addIssue({ code: 'custom', message: `a duration of at least ${limits.least}` });
      else if (ms > most)
        context.addIssue({ code: 'custom', message: `a duration of at most ${limits.most ?? '24d'}` });
      return ms ?? 0;
    })
    .meta({ reads: 'duration' });
}

/** A size in the file, bytes in the program. */
export function size() {
  return z
    .union([z.string(), z.int().min(0, { error: expectedSize })], { error: expectedSize })
    .transform((value, context) => {
      const bytes = typeof value === 'number' ? value : parseSize(value);
      if (bytes === undefined) context.addIssue({ code: 'custom', message: expectedSize });
      return bytes ?? 0;
    })
    .meta({ reads: 'size' });
}
