import module from 'node:module';
import { builtins } from '../../config/builtins.ts';
import { boot, KernelError, onStopSignals, type Running, type Settings } from '../kernel/index.ts';
import { createLogger, type LogLevel } from './logger.ts';

/** Runs the tracker until it is told to stop. Returns the exit code. */
export async function run({ entries, values }: Settings): Promise<number> {
  const log = createLogger(String(values.get('LOG_LEVEL')?.value) as LogLevel);
  const asked = new AbortController();
  let code = 0;
  // The tracker runs until it is told to stop, also where no plugin holds a socket or a timer.
  setInterval(() => {}, 2 ** 30);
  const stop = (reason: string) => asked.abort(reason);
  onStopSignals(process, stop, (signal) => {
    log.error({ signal }, 'a second signal: exit at once');
    process.exit(1);
  });
  for (const event of ['uncaughtException', 'unhandledRejection'] as const)
    process.on(event, (error: unknown) => {
      log.error({ stack: error instanceof Error ? error.stack : String(error) }, event);
      code = 1;
      stop(`an ${event}`);
    });
  // Started by an older Node (tracker.js): when that one is killed, nobody can stop this one any more.
  if (process.env['TRACKER_LAUNCHED']) process.once('disconnect', () => stop('the end of its launcher'));

  let running: Running;
  try {
    running = await boot({ entries, builtins, log, signal: asked.signal });
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return code === 0 && error.problems.every((one) => one.code === 'CALLED_OFF') ? 0 : 1;
  }
  log.info({ ms: Math.round(performance.now()), plugins: running.plan.plugins.length }, 'started');
  module.flushCompileCache();
  await new Promise<void>((resolve) => {
    if (asked.signal.aborted) resolve();
    asked.signal.addEventListener('abort', () => resolve());
  });
  const { problems } = await running.stop(String(asked.signal.reason));
  return problems.length > 0 ? 1 : code;
}
