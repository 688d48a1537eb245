import { parseArgs } from 'node:util';
import type { Settings } from '../kernel/index.ts';
import { CommandError } from './admin-client.ts';
import { exportTo } from './export.ts';
import { importFrom } from './import.ts';

const INTERRUPTED = 130;

/** Runs `tracker export` or `tracker import` with its arguments, and returns the exit code. */
export async function move(
  command: 'export' | 'import',
  args: readonly string[],
  settings: () => Promise<Settings>,
): Promise<number> {
  const fail = (code: number, text: string) => {
    process.stderr.write(`tracker ${command}: ${text}\n`);
    return code;
  };
  let given: ReturnType<typeof argumentsOf>;
  try {
    given = argumentsOf(command, args);
  } catch (error) {
    return fail(2, (error as Error).message);
  }
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  try {
    const address = given.to ?? ownAddress(await settings());
    if (command === 'export') await exportTo(given, address, stop.signal);
    else await importFrom(given.file, address, stop.signal);
    return 0;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return stop.signal.aborted ? fail(INTERRUPTED, 'interrupted') : fail(1, error.message);
  }
}

function argumentsOf(command: string, args: readonly string[]) {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { to: { type: 'string' }, force: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  if (values.force && command === 'import') throw new Error('an import replaces nothing, so --force is for an export');
  const [file = command === 'export' ? '-' : '', ...more] = positionals;
  if (more.length > 0) throw new Error(`takes one file, and '${more[0]}' is another`);
  if (file === '') throw new Error("needs the file to load, or '-' for stdin");
  if (values.to !== undefined && !/^\S+:\d{1,5}$/.test(values.to)) throw new Error('--to must be host:port');
  return { to: values.to, file, force: values.force };
}

function ownAddress({ values }: Settings): string {
  const port = Number(values.get('GRPC_PORT')?.value);
  if (port === 0) throw new CommandError('GRPC_PORT is 0, a port that nobody knows: say which by --to host:port');
  return `localhost:${port}`;
}
