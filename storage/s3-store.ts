import { Readable, type Writable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListObjectsV2Command,
  type S3Client,
} from '@aws-sdk/client-s3';
import { BLOB_FOLDER, blobPath } from './blob-path.ts';
import type { BegunBlob, BlobStat, BlobStore, ByteRange, Spooled } from './blob-store.ts';
import { ByteBudget } from './byte-budget.ts';
import { type Digest, parseDigest } from './digest.ts';
import type { OnStep } from './durable-folder.ts';
import { BlobNotFoundError, StorageUnavailableError } from './errors.ts';
import { freeSpace } from './free-space.ts';
import { removeSpool } from './remove-spool.ts';
import { PATIENCE, type S3Config, type S3Patience, s3Client } from './s3-client.ts';
import { isAlreadyThere, isConflict, isMissing, StorageMisconfiguredError, s3Error, statusOf } from './s3-errors.ts';
import { presign } from './s3-presign.ts';
import { sweepUploads } from './s3-sweep.ts';
import { PART_BYTES, uploadInParts, uploadWhole } from './s3-upload.ts';
import { sendStream } from './send-stream.ts';

export interface S3StoreOptions {
  /** The local folder whose room limits what can be stored. */
  readonly spoolDir?: string;
  readonly minFreeBytes?: number;
  readonly patience?: S3Patience;
  /** Told of a store that does not answer while it is opened, and of failures to sweep it. */
  readonly warn?: (message: string, error: unknown) => void;
  /** Milliseconds since 1970. The system's clock when left out. */
  readonly nowMs?: () => number;
  readonly onStep?: OnStep;
}

/** Memory for bytes on their way to the store, of all uploads together. */
const UPLOAD_BYTES = 6 * PART_BYTES;
/** How often in a row an answer may break off before it is the caller's problem. */
const RESUMES = 3;
const CONFLICTS = 3;
const CHECK_MS = 5_000;
const DAY_MS = 24 * 60 * 60 * 1000;

/** Blobs as objects `<prefix>sha256/ab/cd/<hex>` of one bucket. Needs no condition to hold: a key never means other bytes. */
export class S3Store implements BlobStore {
  readonly #client: S3Client;
  readonly #config: S3Config;
  readonly #local: Pick<S3StoreOptions, 'spoolDir' | 'minFreeBytes'>;
  readonly #onStep: OnStep;
  readonly #budget = new ByteBudget(UPLOAD_BYTES);
  readonly #headMs: number;

  readonly #closing = new AbortController();
  #sweeping: Promise<unknown> = Promise.resolve();
  #isAway = false;
  #isProbing = false;

  private constructor(config: S3Config, options: S3StoreOptions) {
    this.#config = config;
    const patience = options.patience ?? PATIENCE;
    this.#client = s3Client(config, patience);
    this.#headMs = patience.headMs;
    this.#local = options;
    this.#onStep = options.onStep ?? (() => {});
  }

  /**
   * Asks the store whether it works, and goes on when it does not answer: it may come back. Throws `StorageMisconfiguredError` when
   * the bucket is missing or the credentials are wrong. Uploads that were left unfinished a day ago are swept in the background.
   */
  static async open(config: S3Config, options: S3StoreOptions = {}): Promise<S3Store> {
    const store = new S3Store(config, options);
    const warn = options.warn ?? (() => {});
    try {
      await store.check();
    } catch (error) {
      if (!(error instanceof StorageMisconfiguredError)) warn('looking at the store while starting', error);
      else {
        await store.close();
        throw error;
      }
    }
    store.#sweeping = store.sweep((options.nowMs ?? Date.now)() - DAY_MS).catch((error: unknown) => {
      if (!store.#closing.signal.aborted) warn('sweeping unfinished uploads', error);
    });
    return store;
  }

  /** Aborts multipart uploads begun before that time (milliseconds since 1970). Returns how many. */
  async sweep(begunBefore: number): Promise<number> {
    return await sweepUploads(this.#client, this.#config, { begunBefore, signal: this.#closing.signal });
  }

  async put(blob: Spooled): Promise<void> {
    await this.upload(blob);
    this.#onStep('remove spool');
    await removeSpool(blob.path);
    this.#onStep('end');
  }

  /** As `put`, but leaves the file to the caller. */
  async upload(blob: Spooled): Promise<void> {
    try {
      const there = await this.#write(blob, { replace: false });
      if (there === blob.size) return;
      // An earlier writer's short object, kept by a store that does not count bytes.
      if (there !== undefined && (await this.#write(blob, { replace: true })) === blob.size) return;
      await this.delete(blob.digest);
    } catch (error) {
      throw s3Error(`storing ${blob.digest}`, error);
    }
    throw new StorageUnavailableError(`the store kept another number of bytes than the ${blob.size} of ${blob.digest}`);
  }

  /** Writes unless it is there already, and answers what size the store has now. */
  async #write(blob: Spooled, options: { readonly replace: boolean }): Promise<number | undefined> {
    const { replace } = options;
    const upload = {
      client: this.#client,
      ...this.#at(blob.digest),
      budget: this.#budget,
      onStep: this.#onStep,
    };
    for (let conflicts = 0; ; conflicts++) {
      try {
        if (blob.size <= PART_BYTES) {
          await uploadWhole(blob, upload, { onlyIfAbsent: !replace });
        } else {
          this.#onStep('ask');
          if (!replace && (await this.stat(blob.digest))?.size === blob.size) return blob.size;
          await uploadInParts(blob, upload);
        }
        break;
      } catch (error) {
        if (isAlreadyThere(error)) break;
        if (!isConflict(error) || conflicts === CONFLICTS) throw error;
      }
    }
    this.#onStep('compare size');
    return (await this.stat(blob.digest))?.size;
  }

  async open(digest: Digest, range?: ByteRange): Promise<Readable> {
    if (range && range.end < range.start) {
      await this.#existing(digest);
      return Readable.from([]);
    }
    return await this.#get(digest, range);
  }

  async send(digest: Digest, range: ByteRange, out: Writable): Promise<void> {
    await (await this.#begin(digest, range)).send(out);
  }

  begin({ digest }: BlobStat, range: ByteRange): Promise<BegunBlob> {
    return this.#begin(digest, range);
  }

  async #begin(digest: Digest, range: ByteRange): Promise<BegunBlob> {
    if (range.end < range.start) {
      await this.#existing(digest);
      return { send: async () => {}, close: () => {} };
    }
    const body = await this.#get(digest, range);
    // Until it is read nobody else listens.
    body.on('error', () => {});
    return { send: (out) => this.#send(body, { digest, range }, out), close: () => void body.destroy() };
  }

  /** Sends what `first` yields, and the rest from new answers when it breaks off. */
  async #send(
    first: Readable,
    { digest, range }: { readonly digest: Digest; readonly range: ByteRange },
    out: Writable,
  ): Promise<void> {
    let position = range.start;
    let broken = 0;
    for (let body = first; ; body = await this.#get(digest, { start: position, end: range.end })) {
      const { sent, closed, failure } = await sendStream(body, out);
      position += sent;
      if (closed || position > range.end) break;
      broken = sent > 0 ? 0 : broken + 1;
      if (broken === RESUMES) throw s3Error(`reading ${digest}`, failure);
    }
    if (out.errored) throw out.errored;
  }

  /** The bytes of `range`, which is not empty. */
  async #get(digest: Digest, range?: ByteRange): Promise<Readable> {
    const { bucket: Bucket, key: Key } = this.#at(digest);
    const Range = range && `bytes=${range.start}-${range.end}`;
    let answer: GetObjectCommandOutput;
    try {
      answer = await this.#answer(new GetObjectCommand({ Bucket, Key, ...(Range && { Range }) }));
    } catch (error) {
      if (error instanceof Error && error.name === 'InvalidRange') throw new RangeError(`${Range} of ${digest}`);
      throw s3Error(`reading ${digest}`, error, digest);
    }
    const body = answer.Body;
    if (!(body instanceof Readable)) throw new StorageUnavailableError(`no body while reading ${digest}`);
    try {
      if (range) checkAnswer(answer, range);
    } catch (error) {
      body.destroy();
      throw error;
    }
    return body;
  }

  /**
   * The head of an answer, in time for a caller who has another way to go. While the store is known to be away only one waits for it, to
   * find out when it is back.
   */
  async #answer(command: GetObjectCommand): Promise<GetObjectCommandOutput> {
    const isProbe = this.#isAway;
    if (isProbe && this.#isProbing) throw new StorageUnavailableError('the store did not answer a moment ago');
    this.#isProbing = isProbe;
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), this.#headMs);
    try {
      const answer = await this.#client.send(command, { abortSignal: patience.signal });
      this.#isAway = false;
      return answer;
    } catch (error) {
      // An answer, whatever it says, is one; a break in the middle of it is not looked at here.
      this.#isAway = statusOf(error) === undefined;
      throw error;
    } finally {
      clearTimeout(timer);
      if (isProbe) this.#isProbing = false;
    }
  }

  async stat(digest: Digest): Promise<BlobStat | undefined> {
    const { bucket: Bucket, key: Key } = this.#at(digest);
    try {
      const { ContentLength } = await this.#client.send(new HeadObjectCommand({ Bucket, Key }));
      if (ContentLength !== undefined) return { digest, size: ContentLength };
    } catch (error) {
      const status = statusOf(error);
      if (status !== 404 && status !== 403) throw s3Error(`asking for ${digest}`, error);
    }
    return await this.#statByGet(digest);
  }

  /** HEAD has no body to say what is missing or forbidden: the object, the bucket, or us in the list of users. */
  async #statByGet(digest: Digest): Promise<BlobStat | undefined> {
    const { bucket: Bucket, key: Key } = this.#at(digest);
    try {
      const { Body, ContentLength } = await this.#client.send(new GetObjectCommand({ Bucket, Key }));
      if (Body instanceof Readable) Body.destroy();
      if (ContentLength === undefined) throw new StorageUnavailableError(`no length while asking for ${digest}`);
      return { digest, size: ContentLength };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw s3Error(`asking for ${digest}`, error);
    }
  }

  async #existing(digest: Digest): Promise<void> {
    if (!(await this.stat(digest))) throw new BlobNotFoundError(digest);
  }

  async locate(digest: Digest, as: { filename: string; contentType: string }): Promise<URL | undefined> {
    // While the store is away the bytes may be had through us, from a copy or from elsewhere.
    if (this.#config.delivery !== 'redirect' || this.#isAway) return undefined;
    return await presign(this.#client, this.#at(digest), as);
  }

  async delete(digest: Digest): Promise<void> {
    const { bucket: Bucket, key: Key } = this.#at(digest);
    try {
      await this.#client.send(new DeleteObjectCommand({ Bucket, Key }));
    } catch (error) {
      if (!isMissing(error)) throw s3Error(`deleting ${digest}`, error);
    }
  }

  async *list(after?: Digest): AsyncGenerator<BlobStat> {
    const { bucket, prefix } = this.#config;
    let token: string | undefined;
    do {
      const page = await this.#client
        .send(
          new ListObjectsV2Command({
            Bucket: bucket,
            Prefix: `${prefix}${BLOB_FOLDER}/`,
            ...(token === undefined ? {} : { ContinuationToken: token }),
            ...(after === undefined ? {} : { StartAfter: this.#at(after).key }),
          }),
        )
        .catch((error: unknown) => {
          throw s3Error('listing blobs', error);
        });
      for (const { Key, Size } of page.Contents ?? []) {
        const digest = parseDigest(Key?.slice(-64) ?? '');
        if (digest && Key === this.#at(digest).key && Size !== undefined) yield { digest, size: Size };
      }
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  /** Of the file system that everything passes through; how much the store can take, it does not say. */
  async spareBytes(): Promise<number> {
    const { spoolDir, minFreeBytes } = this.#local;
    return spoolDir === undefined ? Number.POSITIVE_INFINITY : await freeSpace(spoolDir, minFreeBytes ?? 0);
  }

  async check(): Promise<void> {
    const { bucket: Bucket, prefix: Prefix } = this.#config;
    const abortSignal = AbortSignal.timeout(CHECK_MS);
    try {
      // A list, because the answer to HEAD could not say what is wrong.
      await this.#client.send(new ListObjectsV2Command({ Bucket, Prefix, MaxKeys: 1 }), { abortSignal });
      this.#isAway = false;
    } catch (error) {
      this.#isAway = statusOf(error) === undefined;
      throw s3Error(`looking at bucket ${Bucket}`, error);
    }
  }

  /** Closes the connections. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#sweeping;
    this.#client.destroy();
  }

  #at(digest: Digest): { readonly bucket: string; readonly key: string } {
    return { bucket: this.#config.bucket, key: `${this.#config.prefix}${blobPath(digest)}` };
  }
}

/** Throws when the answer is not exactly the range that was asked for. */
function checkAnswer(answer: GetObjectCommandOutput, { start, end }: ByteRange): void {
  const [, from, to, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.ContentRange ?? '') ?? [];
  if (total !== undefined && end >= Number(total)) throw new RangeError(`bytes ${start}-${end} of a blob of ${total}`);
  if (Number(from) === start && Number(to) === end) return;
  if (answer.ContentRange === undefined && start === 0 && answer.ContentLength === end + 1) return;
  throw new StorageUnavailableError(`the store answered ${answer.ContentRange ?? 'everything'} to ${start}-${end}`);
}
