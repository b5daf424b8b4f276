import { pino } from 'pino';

// A busy server writes so many bytes at once, a quiet one after half a second.
const BATCH_BYTES = 64 * 1024;
const BATCH_MS = 500;
// Whoever reads our output may stand still; requests are answered nevertheless.
const MOST_WAITING_BYTES = 16 * 1024 * 1024;

/** Where lines go. */
export interface LineSink {
  /** Takes a whole line, with its end. */
  write(line: string): void;
}

/**
 * Writes lines to a file descriptor in batches, and what is left when the process exits. Where the reader stands still, lines that do not fit
 * into 16 MiB are lost, which a line tells once it reads again.
 */
export function logBatches(fd: number): LineSink {
  const out = pino.destination({
    fd,
    sync: false,
    maxWrite: 2 * BATCH_BYTES,
    maxLength: MOST_WAITING_BYTES,
    contentMode: 'buffer',
  });
  const take = out.write.bind(out) as unknown as (batch: Buffer) => boolean;
  // One string that grows: a buffer for each line costs as much as to make the line.
  let waiting = '';
  let timer: NodeJS.Timeout | undefined;
  const pass = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (waiting === '') return;
    const batch = Buffer.from(waiting);
    waiting = '';
    take(batch);
  };
  const write = (line: string): void => {
    waiting += line;
    if (waiting.length >= BATCH_BYTES) pass();
    else timer ??= setTimeout(pass, BATCH_MS).unref();
  };
  let lostBytes = 0;
  out.on('drop', (batch: Buffer | string) => {
    lostBytes += batch.length;
  });
  out.on('drain', () => {
    if (lostBytes === 0) return;
    write(`${JSON.stringify({ level: 40, time: new Date().toISOString(), lostBytes, msg: 'log lines were lost' })}\n`);
    lostBytes = 0;
  });
  process.on('exit', () => {
    pass();
    out.flushSync();
  });
  return { write };
}
