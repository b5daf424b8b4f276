import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { pino } from 'pino';
import { Downloads, type DownloadsOptions, type GrowingFile } from '../../../server/upstream/download.ts';
import type { FetchRequest } from '../../../server/upstream/fill.ts';
import type { HttpUpstream, HttpUpstreamOptions } from '../../../server/upstream/http-upstream.ts';
import type { ByteRange, Spooled } from '../../../storage/blob-store.ts';
import type { FakeClock } from '../../support/fake-clock.ts';
import { type FakeUpstream, type FakeUpstreamOptions, fakeUpstream } from '../../support/fake-upstream.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { makeWheel } from '../../support/wheel.ts';
import { anUpstream, DEMO } from './an-upstream.ts';

/** What is asked for. */
export const wheel = makeWheel({ name: 'demo', version: '1.0', padding: 300_000 });
export const PATH = `/files/${wheel.filename}`;
export const SIZE = wheel.bytes.length;

/** Downloads from a fake upstream into a folder. */
export interface Bench {
  readonly up: FakeUpstream;
  readonly upstream: HttpUpstream;
  readonly clock: FakeClock;
  readonly downloads: Downloads;
  /** What was stored, in order. */
  readonly stored: Spooled[];
  readonly notStored: () => number;
  readonly spools: () => Promise<string[]>;
  fetch(options?: Partial<FetchRequest> & { readonly unhashed?: true }): Promise<GrowingFile>;
}

/** A bench that ends with the test; `spare`: room that the store has. */
export async function bench(
  t: TestContext,
  options: Partial<DownloadsOptions> & {
    readonly spare?: number;
    readonly up?: FakeUpstreamOptions;
    readonly upstream?: Partial<HttpUpstreamOptions>;
  } = {},
): Promise<Bench> {
  const dir = await tempDir(t);
  const spoolDir = options.spoolDir ?? join(dir, 'spool');
  const up = await fakeUpstream(t, options.up);
  up.project('demo').add(wheel);
  const { upstream, clock } = await anUpstream(t, up.url, options.upstream);
  let notStored = 0;
  const downloads = new Downloads({
    blobs: { spareBytes: async () => options.spare ?? Number.POSITIVE_INFINITY },
    log: pino({ level: 'silent' }),
    maxBytes: 1 << 30,
    onNotStored: () => {
      notStored += 1;
    },
    ...options,
    spoolDir,
    clock,
  });
  t.after(() => downloads.stop());
  const stored: Spooled[] = [];
  return {
    up,
    upstream,
    clock,
    downloads,
    stored,
    notStored: () => notStored,
    spools: () => readdir(spoolDir).catch(() => []),
    fetch: ({ unhashed, ...request } = {}) =>
      downloads.fetch({
        upstream,
        target: {
          project: DEMO,
          filename: wheel.filename,
          url: new URL(`${up.filesUrl}${wheel.filename}`),
          ...(unhashed ? {} : { sha256: wheel.sha256 }),
        },
        expected: unhashed ? {} : { sha256: wheel.sha256, size: SIZE },
        whenStored: async (spooled) => {
          await rename(spooled.path, join(dir, spooled.digest));
          stored.push({ ...spooled, path: join(dir, spooled.digest) });
        },
        ...request,
      }),
  };
}

/** What `send` writes; rejects like it. */
export async function received(file: GrowingFile, range?: ByteRange): Promise<Buffer> {
  const out = new PassThrough();
  const all = buffer(out);
  all.catch(() => {});
  await file.send(range, out).catch((error: unknown) => {
    out.destroy();
    throw error;
  });
  out.end();
  return await all;
}

/** Counts what it is sent, and takes nothing until it is let. */
export function gated(): { out: Writable; bytes: () => number; open: () => void } {
  let bytes = 0;
  const gate = Promise.withResolvers<void>();
  const out = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      bytes += chunk.length;
      gate.promise.then(() => callback());
    },
  });
  return { out, bytes: () => bytes, open: gate.resolve };
}

/** Counts what it is sent. */
export function counting(): { out: Writable; bytes: () => number; reached: (count: number) => Promise<void> } {
  let bytes = 0;
  let wake = (): void => {};
  const out = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      bytes += chunk.length;
      wake();
      callback();
    },
  });
  const reached = async (count: number): Promise<void> => {
    while (bytes < count) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return { out, bytes: () => bytes, reached };
}
