import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { BlobStore } from '../../storage/blob-store.ts';
import type { Digest } from '../../storage/digest.ts';
import { BlobNotFoundError } from '../../storage/errors.ts';
import { blobsIn, nextWindow, referenced } from '../catalog/blobs.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { appendEvent } from '../catalog/events.ts';
import type { Clock } from '../clock.ts';
import type { Actor } from '../model/access.ts';
import type { JobReporter } from '../model/job.ts';
import type { JobRun } from './job-run.ts';

/**
 * Makes good for bytes that are gone, by whoever knows where they came from. `repaired`: they are stored again. `forgotten`: what
 * is known of them was put back to "not stored", and the next request fetches them. `lost`: nobody can give them again.
 */
export type RepairBlob = (digest: Digest, signal: AbortSignal) => Promise<'repaired' | 'forgotten' | 'lost'>;

export interface VerifyParts {
  readonly catalog: Catalog;
  readonly blobs: Pick<BlobStore, 'open' | 'delete' | 'check'>;
  readonly clock: Clock;
  /** Where corrupt bytes are put, for people to look at: one file each, named by the digest that they should have. */
  readonly setAsideDir: string;
  /** Absent: nothing can be repaired. */
  readonly repair?: RepairBlob;
}

export interface Verification {
  readonly checked: number;
  readonly bytes: number;
  /** Bytes that are not those that their name says, or that cannot be read. */
  readonly corrupt: number;
  readonly missing: number;
  /** Of the corrupt and missing: those that are stored again, or will be with the next request. */
  readonly repaired: number;
}

const WINDOW = 50;
/** Of one blob, before it counts as unreadable. */
const READINGS = 3;

/**
 * Reads every blob and compares it with its name. Corrupt bytes are copied aside and removed, so that they are never served; then, if
 * something refers to them, repair is tried, and the same for missing ones. What the store cannot read though it works is left where it
 * is: that may pass. Tells each of those as an item. Goes on behind `position`, with the `counts` that were told there, after a restart.
 */
export async function verifyBlobs(
  parts: VerifyParts,
  job: Pick<JobRun, keyof JobReporter | 'actor' | 'position' | 'counts'>,
): Promise<Verification> {
  const { catalog } = parts;
  let sum: Verification = { checked: 0, bytes: 0, corrupt: 0, missing: 0, repaired: 0, ...job.counts };
  let after = job.position ?? '';
  for (;;) {
    const window = await catalog.read(() => nextWindow(after, WINDOW));
    if (window === undefined) return sum;
    for (const { digest } of await catalog.read(() => blobsIn(window))) {
      job.signal.throwIfAborted();
      sum = await verifyOne(parts, job, { digest, sum });
      job.progress({ ...sum }, digest);
    }
    after = window.upTo;
    job.progress({ ...sum }, after);
  }
}

async function verifyOne(
  parts: VerifyParts,
  job: JobReporter & { readonly actor: Actor },
  { digest, sum }: { readonly digest: Digest; readonly sum: Verification },
): Promise<Verification> {
  const { catalog, clock } = parts;
  const found = await look(parts, digest, job.signal);
  const checked = { ...sum, checked: sum.checked + 1, bytes: sum.bytes + found.bytes };
  if (found.state === 'sound') return checked;
  if (found.state === 'corrupt') await setAside(parts, digest, job.signal);
  // What nothing names may have been collected meanwhile; and nobody misses it.
  if (!(await catalog.read(() => referenced(digest)))) return checked;
  const detail = await repaired(parts, digest, { found, signal: job.signal });
  const event = { kind: `blob-${found.state}`, actor: job.actor, subject: `blob/${digest}`, detail };
  await catalog.write(() => appendEvent({ ...event, at: clock.nowMs() }));
  await job.item(digest, { state: found.state, detail });
  const count = found.state === 'missing' ? { missing: sum.missing + 1 } : { corrupt: sum.corrupt + 1 };
  const isMended = detail.repair === 'repaired' || detail.repair === 'forgotten';
  return { ...checked, ...count, repaired: sum.repaired + (isMended ? 1 : 0) };
}

async function repaired(
  { repair }: VerifyParts,
  digest: Digest,
  { found, signal }: { readonly found: Found; readonly signal: AbortSignal },
): Promise<{ readonly repair: Awaited<ReturnType<RepairBlob>> | 'left'; readonly why?: string }> {
  if (found.state === 'unreadable') return { repair: 'left', why: found.why };
  return { repair: repair === undefined ? 'lost' : await repair(digest, signal) };
}

type Found =
  | { readonly state: 'sound' | 'corrupt' | 'missing'; readonly bytes: number }
  | { readonly state: 'unreadable'; readonly bytes: 0; readonly why: string };

/** Reads again what broke off. Throws when the store as a whole does not work. */
async function look(parts: VerifyParts, digest: Digest, signal: AbortSignal): Promise<Found> {
  for (let reading = 1; ; reading += 1) {
    try {
      return await readThrough(parts, digest, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (reading < READINGS) continue;
      await parts.blobs.check();
      return { state: 'unreadable', bytes: 0, why: error instanceof Error ? error.message : String(error) };
    }
  }
}

async function readThrough({ blobs }: VerifyParts, digest: Digest, signal: AbortSignal): Promise<Found> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    await pipeline(
      await blobs.open(digest),
      async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) {
          hash.update(chunk);
          bytes += chunk.length;
        }
      },
      { signal },
    );
  } catch (error) {
    if (error instanceof BlobNotFoundError) return { state: 'missing', bytes };
    throw error;
  }
  return { state: hash.digest('hex') === digest ? 'sound' : 'corrupt', bytes };
}

/** The copy comes first: until it is whole the bytes stay where they are. */
async function setAside({ blobs, setAsideDir }: VerifyParts, digest: Digest, signal: AbortSignal): Promise<void> {
  await mkdir(setAsideDir, { recursive: true });
  await pipeline(await blobs.open(digest), createWriteStream(join(setAsideDir, digest), { mode: 0o600 }), { signal });
  await blobs.delete(digest);
}
