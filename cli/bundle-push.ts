import { createReadStream, openAsBlob } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { nameFromFile, nameFromPkgInfo } from './bundle-name.ts';
import { Client, type ServerOptions } from './client.ts';
import { CommandFailure } from './failure.ts';
import { sha256Of } from './hash-file.ts';
import { plain, print, printJson } from './print.ts';
import { Progress } from './progress.ts';

export interface PushOptions extends ServerOptions {
  readonly app?: string;
  readonly version?: string;
  readonly channel?: string;
  readonly commit?: string;
  readonly tag?: string;
  readonly buildUrl?: string;
  readonly lock?: string;
  readonly why?: string;
  readonly force?: true;
  readonly json?: true;
}

interface Pushed {
  readonly app: string;
  readonly version: string;
  readonly sha256: string;
  readonly created: boolean;
  readonly contents: readonly unknown[] | null;
  readonly contentsNote?: string;
}

/** `stormcellar bundle push`: sends a file, its digest announced. Throws `CommandFailure`. */
export async function push(file: string, options: PushOptions): Promise<void> {
  const { app, version } = await nameOf(file, options);
  const client = new Client(options);
  const sha256 = await sha256Of(file);
  const { size } = await stat(file);
  const progress = new Progress(`push ${basename(file)} as ${app} ${version}`, size);
  let pushed: Pushed;
  try {
    const send = options.lock === undefined ? sendPlain : sendForm;
    pushed = await send(client, { file, app, version, sha256, options, onBytes: (count) => progress.add(count) });
  } finally {
    progress.end();
  }
  if (options.json) return printJson(pushed);
  const inside = insideOf(pushed);
  const where = options.channel === undefined ? '' : `, ${options.channel} points to it`;
  print(
    plain(
      `${app} ${version} ${pushed.created ? 'is stored' : 'was stored already'}${where}: sha256 ${sha256}, ${inside}`,
    ),
  );
}

function insideOf({ app, version, contents, contentsNote }: Pushed): string {
  if (contents !== null) return `${contents.length} distributions inside`;
  if (contentsNote !== 'being read') return `contents ${contentsNote}`;
  return `what is inside is being read, and "bundle show ${app}==${version}" will tell`;
}

interface Sending {
  readonly file: string;
  readonly app: string;
  readonly version: string;
  readonly sha256: string;
  readonly options: PushOptions;
  readonly onBytes: (count: number) => void;
}

async function sendPlain(client: Client, { file, app, version, sha256, options, onBytes }: Sending): Promise<Pushed> {
  const path = `/bundles/${encodeURIComponent(app)}/${encodeURIComponent(version)}/${encodeURIComponent(basename(file))}`;
  const { channel, commit, tag, buildUrl, why, force } = options;
  const stream = createReadStream(file, { highWaterMark: 256 * 1024 });
  const response = await client.send(path, {
    method: 'PUT',
    query: { channel, commit, tag, 'build-url': buildUrl, why, force: force ? '1' : undefined },
    headers: { 'Content-Type': 'application/octet-stream', 'X-Checksum-Sha256': sha256 },
    body: counted(Readable.toWeb(stream) as ReadableStream<Uint8Array>, onBytes),
  });
  return (await response.json()) as Pushed;
}

/** As a form, because a lock goes along. */
async function sendForm(client: Client, { file, app, version, sha256, options, onBytes }: Sending): Promise<Pushed> {
  const { channel, commit, tag, buildUrl, why, force, lock = '' } = options;
  const form = new FormData();
  const fields = { version, channel, commit, tag, buildUrl, why, sha256, force: force ? '1' : undefined };
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) form.set(name, value);
  form.set('lock', new Blob([await readable(lock, () => readFile(lock))]), basename(lock));
  form.set('content', await openAsBlob(file), basename(file));
  const encoded = new Response(form);
  const response = await client.send(`/bundles/${encodeURIComponent(app)}`, {
    method: 'POST',
    headers: { 'Content-Type': encoded.headers.get('content-type') ?? 'multipart/form-data' },
    body: encoded.body === null ? null : counted(encoded.body, onBytes),
  });
  return (await response.json()) as Pushed;
}

async function nameOf(file: string, options: PushOptions): Promise<{ readonly app: string; readonly version: string }> {
  const { isFile } = await readable(file, () => stat(file)).then((found) => ({ isFile: found.isFile() }));
  if (!isFile) throw new CommandFailure(`${file} is not a file.`, 2);
  const byFile = nameFromFile(file);
  // A file name without a version may be any word: then what the archive says of itself comes first.
  const isTold = byFile.version !== undefined || (options.app !== undefined && options.version !== undefined);
  const inside = isTold ? {} : await nameFromPkgInfo(file);
  const app = options.app ?? inside.app ?? byFile.app;
  const version = options.version ?? byFile.version ?? inside.version;
  if (app === undefined || version === undefined) {
    const missing = app === undefined ? '--app' : '--version';
    throw new CommandFailure(
      `Neither the file name nor a PKG-INFO inside tells the ${missing.slice(2)}: give ${missing}.`,
      2,
    );
  }
  return { app, version };
}

async function readable<T>(file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    throw new CommandFailure(`${file} cannot be read: ${reason}.`, 2, { cause });
  }
}

function counted(body: ReadableStream<Uint8Array>, onBytes: (count: number) => void): ReadableStream<Uint8Array> {
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      onBytes(chunk.length);
      controller.enqueue(chunk);
    },
  });
  return body.pipeThrough(counter);
}
