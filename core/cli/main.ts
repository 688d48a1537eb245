import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { join } from 'node:path';
import { builtins } from '../../config/builtins.ts';
import { matrix } from '../../config/matrix.ts';
import { describePlan, KernelError, prepare } from '../kernel/index.ts';
import { trackerSettings } from './configuration.ts';
import { migrate, migrateArguments } from './migrate.ts';
import { run } from './run.ts';

const USAGE = `usage: tracker [command]

commands
  run     start the tracker (the default)
  plan    print what would run, in which order and why, and where each setting comes from
  check   load, plan and check the settings without opening anything
  migrate plan | apply [--allow-destructive] | status
          show what differs between the database's schema and what the plugins declare, make it the same, or say
          whether it is; plan and status exit with 3 when something is to be done
  export [--to host:port] [--force] [file]
          write everything that a running tracker holds to a file; without one, or for '-', to stdout; --force
          replaces a file that is there
  import [--to host:port] file
          load such a file, or stdin for '-', into a running tracker that is empty

options
  --to host:port  the tracker to call, on this machine; localhost and GRPC_PORT unless given
  -h, --help      print this
  -v, --version   print the version

Settings are variables (docs/reference/settings.md), and a file that TRACKER_CONFIG names.
`;

/** Those that take arguments check them themselves. */
const WITH_ARGUMENTS = ['migrate', 'export', 'import'];

/** A bad argument: the message is its own text. */
class UsageError extends Error {}

const unknown = (argument: string): string => `unknown command or argument '${argument}'`;

const commands: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  run: async () => run(await ownSettings()),
  plan: async () => {
    const { entries, values } = await ownSettings();
    process.stdout.write(describePlan(await prepare(entries, builtins), matrix.variables, values));
    return 0;
  },
  check: async () => {
    await prepare((await ownSettings()).entries, builtins);
    process.stdout.write('ok\n');
    return 0;
  },
  migrate: async (args) => {
    const parsed = migrateArguments(args);
    if (!parsed)
      throw new UsageError(args.length === 0 ? 'migrate needs plan, apply or status' : unknown(args.join(' ')));
    return migrate(await ownSettings(), parsed);
  },
  export: async (args) => (await import('./move.ts')).move('export', args, ownSettings),
  import: async (args) => (await import('./move.ts')).move('import', args, ownSettings),
  '--help': async () => {
    process.stdout.write(USAGE);
    return 0;
  },
  '--version': async () => {
    const manifest = findPackageJSON('.', import.meta.url);
    process.stdout.write(`${manifest ? JSON.parse(readFileSync(manifest, 'utf8')).version : 'unknown'}\n`);
    return 0;
  },
};

function ownSettings() {
  const cwd = process.cwd();
  return trackerSettings({ env: process.env, cwd, envFile: join(cwd, '.env') });
}

async function main(args: readonly string[]): Promise<number> {
  const [given = 'run', ...rest] = args;
  const name = { '-h': '--help', help: '--help', '-v': '--version' }[given] ?? given;
  try {
    if (!Object.hasOwn(commands, name)) throw new UsageError(unknown(given));
    if (rest.length > 0 && !WITH_ARGUMENTS.includes(name)) throw new UsageError(unknown(rest[0]!));
    return await commands[name]!(rest);
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`tracker: ${error.message}\n\n${USAGE}`);
      return 2;
    }
    if (!(error instanceof KernelError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

process.exit(await main(process.argv.slice(2)));
