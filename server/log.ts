import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino';

/** Structured log: one JSON line an event. A message is readable alone, fields are for search; a failure is logged once. */
export type Logger = PinoLogger;

// Where credentials could end up if somebody logged a whole object.
const SECRETS = [
  'authorization',
  'headers.authorization',
  'headers.cookie',
  'token',
  'secret',
  'password',
  '*.token',
  '*.secret',
];

// A busy server writes so many bytes at once, a quiet one after half a second.
const BATCH_BYTES = 64 * 1024;
const BATCH_MS = 500;

/** The program's log, written to `to`, or to standard output in batches. */
export function createLogger(options: { readonly level: string }, to?: DestinationStream): Logger {
  return pino({ level: options.level, base: null, timestamp: isoTime, redact: SECRETS }, to ?? batches());
}

function batches(): DestinationStream {
  const out = pino.destination({
    fd: 1,
    sync: false,
    minLength: BATCH_BYTES,
    maxWrite: 2 * BATCH_BYTES,
    periodicFlush: BATCH_MS,
    // Of strings it would measure all that waits once more with each line.
    contentMode: 'buffer',
  });
  const take = out.write.bind(out) as unknown as (line: Buffer) => boolean;
  return { write: (line: string) => take(Buffer.from(line)) };
}

let lastMs = 0;
let lastTime = '';

/** The field `time` of a line; many lines are of the same millisecond. */
function isoTime(): string {
  const now = Date.now();
  if (now !== lastMs) {
    lastMs = now;
    lastTime = `,"time":"${new Date(now).toISOString()}"`;
  }
  return lastTime;
}
