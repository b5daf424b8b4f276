import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino';
import { logBatches } from './log-batches.ts';

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

const STANDARD_OUTPUT = 1;
const INFO = 30;

/** The program's log, written to `to`, or to standard output in batches. */
export function createLogger(options: { readonly level: string }, to?: DestinationStream): Logger {
  return pino(
    { level: options.level, base: null, timestamp: isoTime, redact: SECRETS },
    to ?? logBatches(STANDARD_OUTPUT),
  );
}

/**
 * What writes events of level info whose fields are JSON already (`"id":"…","ms":3`), as `log.info` would write them. For a line
 * that every request has: to make it from an object costs as much as to find the answer.
 */
export function infoLines(log: Logger): (fields: string, message: string) => void {
  // Documented for this: https://github.com/pinojs/pino/blob/main/docs/api.md#pino-symbols
  const { [pino.symbols.streamSym]: to } = log as unknown as Readonly<Record<symbol, DestinationStream>>;
  if (to === undefined) throw new TypeError('a logger without a stream');
  return (fields, message) => {
    if (log.levelVal <= INFO) to.write(`{"level":${INFO}${isoTime()},${fields},"msg":${JSON.stringify(message)}}\n`);
  };
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
