import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Client, type ServerOptions } from './client.ts';
import { CommandFailure } from './failure.ts';
import { hashFile } from './hash-file.ts';
import { bytes, note, plain, print, printJson } from './print.ts';
import { Progress } from './progress.ts';

export interface FetchOptions extends ServerOptions {
  readonly output?: string;
  readonly json?: true;
}

interface Wanted {
  readonly app: string;
  readonly version: string;
  readonly filename: string;
  readonly sha256: string;
  readonly size: number;
}

const ATTEMPTS = 4;

/** How a version may be named on the command line. */
export const REFERENCE = 'APP (its latest version), APP@CHANNEL, APP@VERSION or APP==VERSION';

/** What `REFERENCE` names, as the server shows it. A channel goes before a version of the same name. Throws `CommandFailure`. */
export async function findVersion<T>(client: Client, reference: string): Promise<T> {
  const [, app = '', separator, rest = 'latest'] = /^([^@=\s]+)(?:(@|==)([^@=\s]+))?$/.exec(reference) ?? [];
  if (app === '') throw new CommandFailure(`Expected ${REFERENCE}, not "${reference}".`, 2);
  const path = (what: string): string => `/bundles/${encodeURIComponent(app)}/${encodeURIComponent(what)}`;
  if (separator === '==') return await client.json<T>(path(rest));
  for (const what of [`@${rest}`, rest]) {
    const found = await client.send(path(what), { accept: NO_SUCH });
    if (found.ok) return (await found.json()) as T;
    await found.body?.cancel();
  }
  // Neither: what the server says of the channel is told.
  return await client.json<T>(path(`@${rest}`));
}

// 400: it cannot be a name of this kind.
const NO_SUCH = [400, 404];

/**
 * `stormcellar bundle fetch`: the file appears under its name only when its digest is right; what has arrived of it stays in
 * `NAME.DIGEST.part`, and the next call goes on there. Throws `CommandFailure`.
 */
export async function fetchBundle(reference: string, options: FetchOptions): Promise<void> {
  const client = new Client(options);
  const wanted = await findVersion<Wanted>(client, reference);
  const target = await targetOf(options.output, wanted.filename);
  const isThere = (await digestOf(target)) === wanted.sha256;
  if (!isThere) await download(client, wanted, target);
  if (options.json) return printJson({ ...wanted, file: target, fetched: !isThere });
  print(target);
  note(
    plain(
      `${wanted.app} ${wanted.version}, ${bytes(wanted.size)}, sha256 ${wanted.sha256}${isThere ? ', was here already' : ''}`,
    ),
  );
}

async function targetOf(output: string | undefined, filename: string): Promise<string> {
  // The server's word is not trusted with a path.
  const name = basename(filename);
  if (name !== filename || /^[.]|[^A-Za-z0-9._+!~-]/.test(name)) {
    throw new CommandFailure(`The server names a file that is not a plain name: ${plain(filename)}`);
  }
  if (output === undefined) return name;
  const found = await stat(output).catch(() => undefined);
  const target = output.endsWith('/') || found?.isDirectory() === true ? join(output, name) : output;
  await mkdir(dirname(target), { recursive: true });
  return target;
}

async function download(client: Client, wanted: Wanted, target: string): Promise<void> {
  // Named by what it will be, so that several calls at once that write one file all write the same.
  const part = `${target}.${wanted.sha256.slice(0, 12)}.part`;
  const progress = new Progress(`fetch ${wanted.filename} (${wanted.app} ${wanted.version})`, wanted.size);
  try {
    let wrong = 0;
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await attemptDownload(client, { wanted, part, progress });
      // Another call may have given it its name already.
      if (outcome === 'complete' && ((await renamed(part, target)) || (await digestOf(target)) === wanted.sha256))
        break;
      if (outcome === 'wrong') {
        // Perhaps what was there before when it was resumed: once more from the start.
        await rm(part, { force: true });
        wrong += 1;
        if (wrong === 2)
          throw new CommandFailure('The bytes that arrive do not have the digest they should; nothing was kept.');
      } else if (attempt >= ATTEMPTS) {
        const why = outcome === 'complete' ? 'another call has taken it away' : outcome.message;
        throw new CommandFailure(`The download broke off ${ATTEMPTS} times (${why}); ${part} is kept to go on with.`);
      } else await pause(200 * 2 ** attempt);
    }
    await removeParts(target);
  } finally {
    progress.end();
  }
}

/** What broke off of other versions. */
async function removeParts(target: string): Promise<void> {
  const folder = dirname(target);
  const start = `${basename(target)}.`;
  const parts = (await readdir(folder)).filter(
    (name) => name.startsWith(start) && /^[0-9a-f]{12}\.part$/.test(name.slice(start.length)),
  );
  for (const name of parts) await rm(join(folder, name), { force: true });
}

/** `false` when the file is not there any more. */
async function renamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

type Outcome = 'complete' | 'wrong' | Error;

async function attemptDownload(
  client: Client,
  { wanted, part, progress }: { readonly wanted: Wanted; readonly part: string; readonly progress: Progress },
): Promise<Outcome> {
  const { app, version, filename, sha256, size } = wanted;
  const hash = createHash('sha256');
  let done = await hashArrived(part, hash);
  if (done > size) return 'wrong';
  const path = `/bundles/${[app, version, filename].map(encodeURIComponent).join('/')}`;
  if (done < size) {
    const resume = done > 0 ? { Range: `bytes=${done}-`, 'If-Range': `"${sha256}"` } : undefined;
    const response = await client
      .send(path, { headers: { 'Accept-Encoding': 'identity', ...resume }, accept: [416] })
      .catch(unreachable);
    if (response instanceof Error) return response;
    if (resume !== undefined && response.status !== 206) {
      await response.body?.cancel();
      return 'wrong';
    }
    const file = await open(part, constants.O_WRONLY | constants.O_CREAT);
    try {
      for await (const chunk of response.body ?? []) {
        hash.update(chunk);
        await writeAt(file, chunk, done).catch(unwritable(part));
        done += chunk.length;
        progress.add(chunk.length);
      }
      await file.sync().catch(unwritable(part));
    } catch (error) {
      if (error instanceof CommandFailure) throw error;
      return error instanceof Error ? error : new Error(String(error));
    } finally {
      await file.close();
    }
    if (done < size) return new Error(`${done} of ${size} bytes`);
  }
  return hash.digest('hex') === sha256 && done === size ? 'complete' : 'wrong';
}

/** All of it: one `write` leaves off in the middle where the disk is full. */
async function writeAt(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < chunk.length; ) {
    at += (await file.write(chunk, at, chunk.length - at, position + at)).bytesWritten;
  }
}

/** A server that cannot be reached may be there a moment later; what it refuses stays refused. */
function unreachable(error: unknown): CommandFailure {
  if (error instanceof CommandFailure && error.cause !== undefined) return error;
  throw error;
}

/** To try again would not make room. */
function unwritable(part: string): (cause: unknown) => never {
  return (cause) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CommandFailure(`${part} cannot be written (${reason}); what has arrived is kept to go on with.`, 1, {
      cause,
    });
  };
}

/** Feeds what has arrived, if there is anything, to the hash; answers its size. */
async function hashArrived(path: string, hash: Hash): Promise<number> {
  try {
    return await hashFile(path, hash);
  } catch (error) {
    if (!isAbsent(error)) throw error;
    return 0;
  }
}

async function digestOf(path: string): Promise<string | undefined> {
  const hash = createHash('sha256');
  return (await hashArrived(path, hash)) === 0 ? undefined : hash.digest('hex');
}
