import pino from 'pino';
import type { Logger } from '../kernel/index.ts';

const SECRET = ['password', 'secret', 'token', 'authorization', 'cookie', 'apiKey', 'credentials'];

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** JSON lines on stdout, or on another of the process's outputs, written before the call returns, so that nothing is lost at exit. */
export function createLogger(level: LogLevel, fd = 1): Logger {
  const output = pino.destination({ fd, sync: true });
  // Whoever read the log may go away; the tracker goes on.
  output.on('error', () => {});
  return pino(
    {
      level,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET.flatMap((key) => [key, `*.${key}`]), censor: '********' },
    },
    output,
  );
}
