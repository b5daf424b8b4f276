import { readSync, writeSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { codeOf } from './file-errors.ts';
import { SpoolHashes } from './spool-hashes.ts';
import type { SpoolAnswer, SpoolOrder } from './spool-orders.ts';

// The thread that hashes and writes large spools: see spool-thread.ts.
const READ_BYTES = 256 * 1024;

interface Begun {
  readonly fd: number;
  readonly hashes: SpoolHashes;
}

const begun = new Map<number, Begun>();

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
  if (order.kind === 'begin') {
    const hashes = await SpoolHashes.create(order.extra);
    hashWritten(order.fd, order.size, hashes);
    begun.set(id, { fd: order.fd, hashes });
    return { id, done: true };
  }
  const spool = begun.get(id);
  if (spool === undefined) throw new Error('a spool was written before it was begun');
  if (order.kind === 'finish') {
    begun.delete(id);
    return { id, hashes: spool.hashes.finish() };
  }
  spool.hashes.update(order.bytes);
  writeAll(spool.fd, order.bytes, order.position);
  return { id, done: true };
}

function hashWritten(fd: number, size: number, hashes: SpoolHashes): void {
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
