import type { ZodType } from 'zod';
import { Problem } from '../problem.ts';

/** A member that may be left open: many languages write that as null. */
export function orAbsent<T>(schema: ZodType<T>) {
  return schema.nullish().transform((value) => value ?? undefined);
}

/**
 * `value` as the schema describes it. Throws `malformed-request` with every fault in `errors`, each with a JSON pointer (RFC 6901)
 * to the place.
 */
export function validated<T>(schema: ZodType<T>, value: unknown): T {
  const outcome = schema.safeParse(value);
  if (outcome.success) return outcome.data;
  const errors = outcome.error.issues.slice(0, 20).map(({ path, message }) => ({
    pointer: path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join(''),
    detail: message,
  }));
  const [one] = errors;
  const place = one?.pointer ? `${one.pointer}: ` : '';
  throw new Problem('malformed-request', `${place}${one?.detail ?? 'The request is not as it should be.'}`, {
    members: { errors },
  });
}
