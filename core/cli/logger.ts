import pino from 'pino';
import type { Logger } from '../kernel/index.ts';

const SECRET = ['password', 'secret', 'token', 'authorization', 'cookie', 'apiKey', 'credentials'];

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** JSON lines on stdout, written before the call returns, so that nothing is lost at exit. */
export function createLogger(level: LogLevel): Logger {
  const stdout = pino.destination({ fd: 1, sync: true });
  // Whoever read the log may go away; the tracker goes on.
  stdout.on('error', () => {});
  return pino(
    {
      level,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET.flatMap((key) => [key, `*.${key}`]), censor: '********' },
    },
    stdout,
  );
}
