import { isUtf8 } from 'node:buffer';
import type { Request } from 'express';
import { z } from 'zod';
import type { BundleReference } from '../bundles/bundles.ts';
import {
  type BundleLabels,
  type ChannelName,
  LATEST,
  parseBundleVersionText,
  parseChannelName,
} from '../model/bundle.ts';
import { Problem } from '../problem.ts';
import { validated } from './validate.ts';

/** What is said of an upload beside its bytes. */
export interface UploadWords {
  readonly labels: BundleLabels;
  readonly channel: ChannelName | undefined;
  readonly why: string | null;
  readonly force: boolean;
}

const oneLine = (most: number) =>
  z
    .string()
    .trim()
    .max(most)
    .regex(/^[^\p{Cc}]*$/u, { error: 'Control characters have no place here' });

const link = oneLine(2000).refine((text) => /^https?:$/.test(protocolOf(text)), {
  error: 'Expected an http(s) address',
});

/** A sentence about a move. */
export const reason = oneLine(1000);

const words = z.object({
  channel: z.string().optional(),
  commit: oneLine(200).optional(),
  tag: oneLine(200).optional(),
  buildUrl: link.optional(),
  why: reason.optional(),
  force: z.enum(['1', 'true', 'yes', '0', 'false', 'no']).optional(),
});

/** By the names of form fields; the query and headers say `build-url`. */
const NAMES = {
  channel: 'channel',
  commit: 'commit',
  tag: 'tag',
  buildUrl: 'build-url',
  why: 'why',
  force: 'force',
} as const;

/**
 * What a PUT says: in the query (`build-url`, or `buildUrl`), or in headers (`X-Stormcellar-Build-Url`, `X-Build-Url` or `Build-Url`). The query wins.
 * Throws `malformed-request`, `invalid-bundle-name`.
 */
export function putWords(req: Request): UploadWords {
  const said: Record<string, string> = {};
  for (const [field, name] of Object.entries(NAMES)) {
    const { query, headers } = req;
    const inHeaders = [`x-stormcellar-${name}`, `x-${name}`, name].map((header) => textOf(headers[header]));
    for (const key of [name, field]) {
      if (query[key] === undefined || typeof query[key] === 'string') continue;
      throw new Problem('malformed-request', `The query says ${key} more than once, or in parts.`);
    }
    const value = one(query[name]) ?? one(query[field]) ?? inHeaders.find((text) => text !== undefined);
    if (value !== undefined) said[field] = value;
  }
  return parsed(said);
}

/** The same of a form; `build-url` is understood too. */
export function formWords(fields: ReadonlyMap<string, readonly string[]>): UploadWords {
  const said: Record<string, string> = {};
  for (const [field, name] of Object.entries(NAMES)) {
    const value = fieldOf(fields, field) ?? fieldOf(fields, name);
    if (value !== undefined) said[field] = value;
  }
  return parsed(said);
}

/** What a form says in a field, or `undefined`. Throws `malformed-request` when it says two things. */
export function fieldOf(fields: ReadonlyMap<string, readonly string[]>, name: string): string | undefined {
  const [value, ...others] = fields.get(name) ?? [];
  if (others.every((other) => other === value)) return value;
  throw new Problem('malformed-request', `The form gives the field ${name} more than once.`);
}

/** A version, or `@channel`; `@latest` too. Throws `invalid-bundle-name`. */
export function parseReference(text: string): BundleReference {
  if (!text.startsWith('@')) return { version: parseBundleVersionText(text) };
  const channel = text.slice(1);
  return { channel: channel === LATEST ? LATEST : parseChannelName(channel) };
}

/** How many entries of a list are wanted, at most `most`. Throws `malformed-request`. */
export function parseLimit(value: unknown, most: number): number {
  if (value === undefined) return most;
  if (typeof value !== 'string' || !/^[1-9][0-9]{0,5}$/.test(value)) {
    throw new Problem('malformed-request', 'The limit must be a number of at least 1.');
  }
  return Math.min(Number(value), most);
}

/** One value of a query or header; lists and empty texts count as nothing said. */
export function one(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/**
 * A version in a query, or `undefined` like `one`. No version has a blank: where one comes out of a query, somebody typed the `+` of
 * `2.1.0+cpu` as it is.
 */
export function plussed(value: unknown): string | undefined {
  return one(value)?.replaceAll(' ', '+');
}

function parsed(said: Record<string, string>): UploadWords {
  const filled = Object.fromEntries(Object.entries(said).filter(([, value]) => value.trim() !== ''));
  const { channel, commit, tag, buildUrl, why, force } = validated(words, filled);
  return {
    labels: {
      ...(commit === undefined ? {} : { commit }),
      ...(tag === undefined ? {} : { tag }),
      ...(buildUrl === undefined ? {} : { buildUrl }),
    },
    channel: channel === undefined ? undefined : parseChannelName(channel),
    why: why ?? null,
    force: force !== undefined && ['1', 'true', 'yes'].includes(force),
  };
}

/** A header is handed over byte by byte; curl sends what was typed, which is UTF-8. */
function textOf(header: unknown): string | undefined {
  const value = one(header);
  if (value === undefined) return undefined;
  const bytes = Buffer.from(value, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : value;
}

function protocolOf(text: string): string {
  return URL.canParse(text) ? new URL(text).protocol : '';
}
