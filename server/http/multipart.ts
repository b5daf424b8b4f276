import { createReadStream } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import type { Request, Response } from 'express';
import multer, { MulterError, type StorageEngine } from 'multer';
import type { Spooled } from '../../storage/blob-store.ts';
import { fillSpool } from '../../storage/fill-spool.ts';
import { freePiece } from '../../storage/free-piece.ts';
import { Spool } from '../../storage/spool.ts';
import { type ExtraHash, SpoolHashes } from '../../storage/spool-hashes.ts';
import { Problem } from '../problem.ts';

export interface FormOptions {
  readonly spoolDir: string;
  readonly maxFileBytes: number;
  /** Of one field that is text; 8 MiB unless told. Truncation would be silent corruption, so what is longer is refused. */
  readonly maxFieldBytes?: number;
  /** The name of the part that is the file. Other file parts are read and thrown away. */
  readonly fileField: string;
  /** File parts that are small texts (`-F lock=@FILE`): kept as the field of this name, their file name as `NAME.filename`. */
  readonly textFields?: readonly string[];
  /** The hashes beside sha256 that these fields ask for. Fields that come before the file save reading it again. */
  readonly wantedHashes: (fields: FormFields) => readonly ExtraHash[];
}

export type FormFields = ReadonlyMap<string, readonly string[]>;

/** A form with one file, whole. */
export interface UploadForm {
  readonly fields: FormFields;
  /** As the client sent it; not checked. */
  readonly filename: string;
  readonly spooled: Spooled;
  readonly hashes: Readonly<Partial<Record<ExtraHash, string>>>;
  /** Removes the file if nobody has taken it. To be called in any case. */
  discard(): Promise<void>;
}

const MAX_FIELD_BYTES = 8 * 1024 * 1024;
// All fields together.
const MAX_FIELDS_BYTES = 32 * 1024 * 1024;
const MAX_FIELDS = 5000;
const MAX_FILES = 8;
// A detached signature, as old tools send it.
const MAX_OTHER_FILE_BYTES = 1024 * 1024;

const LIMITS = {
  fieldNameSize: 200,
  fields: MAX_FIELDS,
  files: MAX_FILES,
  parts: MAX_FIELDS + MAX_FILES,
  headerPairs: 50,
  // Names with brackets would become objects.
  fieldNestingDepth: 0,
};

/**
 * Reads a `multipart/form-data` body, the file into a spool and never into memory, fields in any order. Rejects as soon as something is
 * wrong, without waiting for the rest of the body, and leaves no file behind. Throws 4xx problems, `SpoolLimitError`,
 * `StorageFullError`, `StorageUnavailableError`.
 */
export async function readForm(req: Request, res: Response, options: FormOptions): Promise<UploadForm> {
  if (!req.is('multipart/form-data')) {
    throw new Problem('malformed-request', 'The body must be a form: multipart/form-data.');
  }
  return await new FormReader(options).read(req, res);
}

/** One form being read. */
class FormReader {
  readonly #options: FormOptions;
  readonly #maxFieldBytes: number;
  readonly #fields = new Map<string, string[]>();
  readonly #outcome = Promise.withResolvers<void>();
  #fieldBytes = 0;
  #filename: string | undefined;
  #spool: Spool | undefined;
  #spooled: Spooled | undefined;
  #storing: Promise<void> = Promise.resolve();
  #stop: (reason: Error) => void = () => {};

  constructor(options: FormOptions) {
    this.#options = options;
    this.#maxFieldBytes = options.maxFieldBytes ?? MAX_FIELD_BYTES;
  }

  async read(req: Request, res: Response): Promise<UploadForm> {
    const settings = {
      storage: this.#engine(),
      limits: { ...LIMITS, fieldSize: this.#maxFieldBytes },
      // A path in a file name is refused where names are checked, rather than silently cut off.
      preservePath: true,
      streamHandler: (_: Request, parser: Writable) => this.#attach(req, parser),
    };
    const outcome = (error?: unknown): void => (error ? this.#fail(clientFault(error)) : this.#outcome.resolve());
    multer(settings).any()(req, res, outcome);
    try {
      await this.#outcome.promise;
      return await this.#finish();
    } catch (error) {
      await this.#storing;
      await this.#spool?.discard();
      throw error;
    }
  }

  async #finish(): Promise<UploadForm> {
    const spool = this.#spool;
    const spooled = this.#spooled;
    if (spool === undefined || spooled === undefined || this.#filename === undefined) {
      throw new Problem('malformed-request', `The form has no file in the field ${this.#options.fileField}.`);
    }
    const late = this.#options.wantedHashes(this.#fields).filter((name) => spool.hashes[name] === undefined);
    const hashes = { ...spool.hashes, ...(late.length === 0 ? {} : await hashFile(spooled.path, late)) };
    return { fields: this.#fields, filename: this.#filename, spooled, hashes, discard: () => spool.discard() };
  }

  #fail(error: Error): void {
    this.#stop(error);
    this.#outcome.reject(error);
  }

  /** Multer would report a limit only after it has read the rest of the body: so limits are watched for here as well. */
  #attach(req: Request, parser: Writable): void {
    this.#stop = (reason) => {
      req.unpipe(parser);
      parser.destroy(reason);
    };
    parser.on('field', (name: string | undefined, value: string, info: { valueTruncated: boolean }) => {
      this.#fieldBytes += value.length;
      if (info.valueTruncated || this.#fieldBytes > MAX_FIELDS_BYTES) {
        const sentence = `A field of the form is longer than ${this.#maxFieldBytes} bytes, or all of them are too long.`;
        this.#fail(new Problem('payload-too-large', sentence));
      } else if (name !== undefined) this.#add(name, value);
    });
    for (const limit of ['fieldsLimit', 'filesLimit', 'partsLimit']) {
      parser.on(limit, () => this.#fail(new Problem('payload-too-large', 'The form has too many parts.')));
    }
    parser.on('error', (error: Error) => this.#fail(clientFault(error)));
    req.pipe(parser);
  }

  #add(name: string, value: string): void {
    const values = this.#fields.get(name);
    if (values === undefined) this.#fields.set(name, [value]);
    else values.push(value);
  }

  #engine(): StorageEngine {
    return {
      _handleFile: (_req, file, done) => {
        const stored = this.#take(file.fieldname, file.originalname, file.stream);
        this.#storing = Promise.allSettled([this.#storing, stored]).then(() => {});
        stored.then(
          () => done(null, {}),
          (error: unknown) => {
            const failure = clientFault(error);
            this.#fail(failure);
            done(failure);
          },
        );
      },
      _removeFile: (_req, _file, done) => done(null),
    };
  }

  async #take(field: string, filename: string, content: Readable): Promise<void> {
    const { fileField, spoolDir, maxFileBytes, wantedHashes } = this.#options;
    if (field !== fileField && this.#options.textFields?.includes(field)) {
      this.#add(field, await textOf(content, this.#maxFieldBytes));
      this.#add(`${field}.filename`, filename);
      return;
    }
    if (field !== fileField) return await skip(content);
    if (this.#filename !== undefined) throw new Problem('malformed-request', 'The form has more than one file.');
    this.#filename = filename;
    const spool = await Spool.create(spoolDir, { maxBytes: maxFileBytes, extraHash: wantedHashes(this.#fields) });
    this.#spool = spool;
    await fillSpool(spool, piecesOf(content));
    this.#spooled = await spool.finish();
  }
}

/** Its pieces, each good until the next is asked for: the parser keeps nothing of one that it has handed out whole. */
async function* piecesOf(content: Readable): AsyncGenerator<Buffer> {
  for await (const piece of content) {
    yield piece as Buffer;
    freePiece(piece as Buffer);
  }
}

async function textOf(content: Readable, maxBytes: number): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const chunk of content) {
    size += (chunk as Buffer).length;
    if (size > maxBytes) {
      throw new Problem('payload-too-large', `A text of the form is longer than ${maxBytes} bytes.`);
    }
    pieces.push(chunk as Buffer);
  }
  return Buffer.concat(pieces).toString('utf8');
}

async function skip(content: Readable): Promise<void> {
  let size = 0;
  for await (const chunk of content) {
    size += (chunk as Buffer).length;
    if (size > MAX_OTHER_FILE_BYTES) throw new Problem('payload-too-large', 'The form has a second, large file.');
  }
}

async function hashFile(path: string, names: readonly ExtraHash[]): Promise<Partial<Record<ExtraHash, string>>> {
  const hashes = await SpoolHashes.create(names);
  for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024 })) hashes.update(chunk as Buffer);
  return hashes.finish().extra;
}

/** What multer, its parser and a broken connection complain of is the form's fault: plain errors, all of them. Ours have classes. */
function clientFault(error: unknown): Error {
  if (!(error instanceof Error)) return new Error('something else than an error was thrown', { cause: error });
  if (error instanceof MulterError) {
    const isNesting = error.code === ('LIMIT_FIELD_NESTING' as string);
    return isNesting
      ? new Problem('malformed-request', 'A field of the form has brackets in its name.', { cause: error })
      : new Problem('payload-too-large', 'The form has too many parts, or a name that is too long.', { cause: error });
  }
  const isOfStream = 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE';
  if (error.constructor !== Error && !isOfStream) return error;
  return new Problem('malformed-request', 'The form is malformed, or its body broke off.', { cause: error });
}
