import { closeSync, fdatasync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { parentPort } from 'node:worker_threads';
import { DurableFolder } from './durable-folder.ts';
import { codeOf } from './file-errors.ts';
import { ExtraHashes, SpoolHashes } from './spool-hashes.ts';
import type { FileHashes, SpoolAnswer, SpoolOrder } from './spool-orders.ts';

// The thread of spools: see spool-thread.ts.
const READ_BYTES = 256 * 1024;
const SPOOL_MODE = 0o640;

/** Without `fd`, another thread writes. */
type Begun =
  | { readonly fd: number; readonly hashes: SpoolHashes }
  | { readonly fd: undefined; readonly hashes: ExtraHashes };

const begun = new Map<number, Begun>();
/** By their roots. */
const folders = new Map<string, DurableFolder>();

parentPort?.on('message', (order: SpoolOrder) => {
  if (order.kind === 'abandon') begun.delete(order.id);
  else void answer(order);
});

async function answer(order: Exclude<SpoolOrder, { kind: 'abandon' }>): Promise<void> {
  let said: SpoolAnswer;
  try {
    said = await carryOut(order);
  } catch (error) {
    begun.delete(order.id);
    const message = error instanceof Error ? error.message : String(error);
    said = { id: order.id, failed: { code: codeOf(error), message } };
  }
  parentPort?.postMessage(said);
}

async function carryOut(order: Exclude<SpoolOrder, { kind: 'abandon' }>): Promise<SpoolAnswer> {
  const { id } = order;
  if (order.kind === 'take') {
    await folderOf(order.root).take(order.file);
    return { id, done: true };
  }
  if (order.kind === 'write') return { id, hashes: await writeNew(order.path, order.bytes) };
  if (order.kind === 'begin') {
    const { fd, size, extra } = order;
    const spool: Begun =
      order.task === 'write'
        ? { fd, hashes: await SpoolHashes.create(extra) }
        : { fd: undefined, hashes: await ExtraHashes.create(extra) };
    hashWritten(fd, size, spool.hashes);
    begun.set(id, spool);
    return { id, done: true };
  }
  const spool = begun.get(id);
  if (spool === undefined) throw new Error('a spool was written before it was begun');
  if (order.kind === 'finish') {
    begun.delete(id);
    return spool.fd === undefined ? { id, extra: spool.hashes.finish() } : { id, hashes: spool.hashes.finish() };
  }
  spool.hashes.update(order.bytes);
  if (spool.fd !== undefined) writeAll(spool.fd, order.bytes, order.position);
  return { id, done: true };
}

function folderOf(root: string): DurableFolder {
  const folder = folders.get(root) ?? new DurableFolder(root);
  folders.set(root, folder);
  return folder;
}

async function writeNew(path: string, bytes: Uint8Array): Promise<FileHashes> {
  const hashes = await SpoolHashes.create([]);
  hashes.update(bytes);
  const fd = openNew(path);
  try {
    writeAll(fd, bytes, 0);
    await promisify(fdatasync)(fd);
  } finally {
    closeSync(fd);
  }
  return hashes.finish();
}

function openNew(path: string): number {
  try {
    return openSync(path, 'wx', SPOOL_MODE);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, 'wx', SPOOL_MODE);
  }
}

function hashWritten(fd: number, size: number, hashes: SpoolHashes | ExtraHashes): void {
  const buffer = Buffer.allocUnsafe(Math.min(size, READ_BYTES));
  for (let position = 0; position < size; ) {
    const count = readSync(fd, buffer, 0, Math.min(buffer.length, size - position), position);
    if (count === 0) throw new Error('a spool is shorter than what was written to it');
    hashes.update(buffer.subarray(0, count));
    position += count;
  }
}

function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
  }
}
