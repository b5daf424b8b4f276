import type { Readable, Writable } from 'node:stream';
import { LRUCache } from 'lru-cache';
import type { BegunBlob, BlobStat, BlobStore, ByteRange, Spooled } from './blob-store.ts';
import type { Digest } from './digest.ts';
import type { DiskStore } from './disk-store.ts';
import { BlobNotFoundError, SpoolGoneError, StorageUnavailableError } from './errors.ts';
import { removeSpool } from './remove-spool.ts';
import { sendToSpool } from './send-to-spool.ts';
import { Spool } from './spool.ts';

/** A store far away. */
export interface RemoteStore extends BlobStore {
  /** As `put`, but leaves the file to the caller. */
  upload(blob: Spooled): Promise<void>;
  close(): Promise<void>;
}

/** Told of what went wrong without anybody having to notice. */
export type Warn = (message: string, error: unknown) => void;

export interface CachedStoreOptions {
  readonly local: DiskStore;
  readonly maxBytes: number;
  readonly spoolDir: string;
  readonly warn: Warn;
}

/** Requests that are remembered to tell what is asked often. */
const REMEMBERED = 20_000;
/** Local room that copies leave to spools. */
const HEADROOM_BYTES = 512 * 1024 * 1024;

interface Asked {
  readonly size: number | undefined;
}

/**
 * A remote store with a bounded local copy of what is asked often: what was just stored, and what is asked for a second time. Copies
 * are verified by digest, and go on being served while the remote is gone. Everything but `send` and `begin` speaks of the remote.
 */
export class CachedStore implements BlobStore {
  readonly #remote: RemoteStore;
  readonly #local: DiskStore;
  readonly #maxBytes: number;
  readonly #spoolDir: string;
  readonly #warn: Warn;
  readonly #copies: LRUCache<Digest, BlobStat>;
  readonly #asked = new LRUCache<Digest, Asked>({ max: REMEMBERED });
  readonly #fills = new Map<Digest, Promise<Spool | undefined>>();
  readonly #chores = new Set<Promise<void>>();
  #closed = false;

  constructor(remote: RemoteStore, options: CachedStoreOptions) {
    this.#remote = remote;
    this.#local = options.local;
    this.#maxBytes = options.maxBytes;
    this.#spoolDir = options.spoolDir;
    this.#warn = options.warn;
    this.#copies = new LRUCache({
      maxSize: options.maxBytes,
      sizeCalculation: (copy) => Math.max(1, copy.size),
      dispose: (copy) => this.#drop(copy.digest),
    });
    this.#chore('reading the local copies', this.#load());
  }

  async put(blob: Spooled): Promise<void> {
    await this.#remote.upload(blob);
    if (await this.#keeps(blob.size)) await this.#keep(blob);
    else await removeSpool(blob.path);
  }

  async send(digest: Digest, range: ByteRange, out: Writable): Promise<void> {
    const here = await this.#here(digest, range);
    if (here) await here.send(out);
    else await this.#remote.send(digest, range, out);
  }

  async begin(blob: BlobStat, range: ByteRange): Promise<BegunBlob> {
    return (await this.#here(blob.digest, range, blob.size)) ?? (await this.#remote.begin(blob, range));
  }

  /** From the copy, or from the one that is being made; `undefined` when there is neither. */
  async #here(digest: Digest, range: ByteRange, size?: number): Promise<BegunBlob | undefined> {
    const copy = await this.#copy(digest, range);
    if (copy) return copy;
    const spool = await this.#filling(digest, range, size);
    // One that has just been finished may be closed already.
    return spool && (followed(spool, range) ?? (await this.#copy(digest, range)));
  }

  /** `undefined` when there is no copy, or it has vanished. */
  async #copy(digest: Digest, range: ByteRange): Promise<BegunBlob | undefined> {
    const copy = this.#copies.get(digest);
    if (!copy) return undefined;
    try {
      return await this.#local.begin(copy, range);
    } catch (error) {
      if (!(error instanceof BlobNotFoundError)) throw error;
      this.#copies.delete(digest);
      return undefined;
    }
  }

  /**
   * The spool of a copy under way, begun when somebody asks for the whole of a blob for the second time. Throws what the remote throws
   * before the first byte.
   */
  async #filling(digest: Digest, range: ByteRange, known?: number): Promise<Spool | undefined> {
    // A range would have to wait for everything before it.
    if (range.start !== 0) return undefined;
    const filling = this.#fills.get(digest);
    if (filling) return await filling;
    const asked = this.#asked.get(digest);
    if (!asked) {
      this.#asked.set(digest, { size: undefined });
      return undefined;
    }
    const size = known ?? asked.size ?? (await this.#remote.stat(digest))?.size;
    if (size === undefined) throw new BlobNotFoundError(digest);
    this.#asked.set(digest, { size });
    if (range.end !== size - 1 || !(await this.#keeps(size))) return undefined;
    return await (this.#fills.get(digest) ?? this.#fill({ digest, size }));
  }

  #fill(blob: BlobStat): Promise<Spool | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<Spool | undefined>();
    promise.catch(() => {}); // whoever waits is told
    this.#fills.set(blob.digest, promise);
    const fetching = this.#remote
      .begin(blob, { start: 0, end: blob.size - 1 })
      .then((source) => this.#fetch(blob, source, resolve), reject);
    this.#chore(
      'keeping a local copy',
      fetching.finally(() => this.#fills.delete(blob.digest)),
    );
    return promise;
  }

  async #fetch(blob: BlobStat, source: BegunBlob, begun: (spool: Spool | undefined) => void): Promise<void> {
    let spool: Spool | undefined;
    let letGo = (): void => {};
    try {
      spool = await Spool.create(this.#spoolDir, { maxBytes: blob.size });
      letGo = spool.hold();
      begun(spool);
      await sendToSpool(spool, (out) => source.send(out));
      await this.#keep(await spool.finish(blob.digest));
    } catch (error) {
      await spool?.discard(error instanceof Error ? error : undefined);
      throw error;
    } finally {
      source.close();
      begun(undefined);
      letGo();
    }
  }

  /** Whether a copy of `size` is worth the room. */
  async #keeps(size: number): Promise<boolean> {
    if (this.#closed || size > this.#maxBytes / 4) return false;
    return size + HEADROOM_BYTES <= (await this.#local.spareBytes());
  }

  async #keep(blob: Spooled): Promise<void> {
    try {
      await this.#local.put(blob);
      this.#remember({ digest: blob.digest, size: blob.size });
    } catch (error) {
      this.#warn('keeping a local copy', error);
      await removeSpool(blob.path).catch((left: unknown) => this.#warn('removing a spool', left));
    }
  }

  #drop(digest: Digest): void {
    if (this.#closed) return;
    this.#chore('removing a local copy', this.#local.delete(digest));
  }

  /** What an earlier process kept. Until it is read, such a copy counts as not there. */
  async #load(): Promise<void> {
    for await (const copy of this.#local.list()) {
      if (this.#closed) return;
      this.#remember(copy);
    }
  }

  /** To set it again would drop it first, and with it the file. */
  #remember(copy: BlobStat): void {
    if (!this.#copies.get(copy.digest)) this.#copies.set(copy.digest, copy);
  }

  #chore(what: string, work: Promise<void>): void {
    const chore: Promise<void> = work
      .catch((error: unknown) => this.#warn(what, error))
      .finally(() => this.#chores.delete(chore));
    this.#chores.add(chore);
  }

  /** Resolves when no copying or removing is under way any more. */
  async idle(): Promise<void> {
    while (this.#chores.size > 0) await Promise.all(this.#chores);
  }

  /** From the remote, so that a check of what is stored is one; from the copy when the remote is gone. */
  async open(digest: Digest, range?: ByteRange): Promise<Readable> {
    try {
      return await this.#remote.open(digest, range);
    } catch (error) {
      if (!(error instanceof StorageUnavailableError) || !this.#copies.get(digest)) throw error;
      return await this.#local.open(digest, range);
    }
  }

  stat(digest: Digest): Promise<BlobStat | undefined> {
    return this.#remote.stat(digest);
  }

  locate(digest: Digest, as: { filename: string; contentType: string }): Promise<URL | undefined> {
    return this.#remote.locate(digest, as);
  }

  async delete(digest: Digest): Promise<void> {
    this.#copies.delete(digest);
    await this.#remote.delete(digest);
  }

  list(after?: Digest): AsyncIterable<BlobStat> {
    return this.#remote.list(after);
  }

  /** The local file system's too, since everything passes through it; copies make way for what is more needed. */
  async spareBytes(): Promise<number> {
    const free = await this.#local.spareBytes();
    for (let made = free; made < HEADROOM_BYTES && this.#copies.size > 0; ) made += this.#copies.pop()?.size ?? 0;
    return Math.min(await this.#remote.spareBytes(), free + this.#copies.calculatedSize);
  }

  check(): Promise<void> {
    return this.#remote.check();
  }

  /** Waits for the copies under way, and closes both stores. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.idle();
    await this.#local.close();
    await this.#remote.close();
  }
}

/** The spool's bytes, held from now on: it may be finished and closed before they are sent. `undefined` when it is closed. */
function followed(spool: Spool, range: ByteRange): BegunBlob | undefined {
  let letGo: () => void;
  try {
    letGo = spool.hold();
  } catch (error) {
    if (error instanceof SpoolGoneError) return undefined;
    throw error;
  }
  const send = async (out: Writable): Promise<void> => {
    try {
      const { sent, closed } = await spool.send(range, out);
      if (!closed && sent !== range.end + 1 - range.start) throw new RangeError(`bytes ${range.start}-${range.end}`);
    } finally {
      letGo();
    }
  };
  return { send, close: letGo };
}
