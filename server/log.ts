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

/** The program's log, written to `to`, or to standard output in batches. */
export function createLogger(options: { readonly level: string }, to?: DestinationStream): Logger {
  return pino(
    { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime, redact: SECRETS },
    to ?? pino.destination({ fd: 1, sync: false, minLength: 4096, periodicFlush: 500 }),
  );
}
