import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { join } from 'node:path';
import { builtins } from '../../config/builtins.ts';
import { matrix } from '../../config/matrix.ts';
import { describePlan, KernelError, prepare } from '../kernel/index.ts';
import { trackerSettings } from './configuration.ts';
import { run } from './run.ts';

const USAGE = `usage: tracker [command]

commands
  run     start the tracker (the default)
  plan    print what would run, in which order and why, and where each setting comes from
  check   load, plan and check the settings without opening anything

options
  -h, --help      print this
  -v, --version   print the version

Settings are variables (docs/reference/settings.md), and a file that TRACKER_CONFIG names.
`;

const commands: Readonly<Record<string, () => Promise<number>>> = {
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
  if (!Object.hasOwn(commands, name) || rest.length > 0) {
    process.stderr.write(`tracker: unknown command or argument '${rest[0] ?? given}'\n\n${USAGE}`);
    return 2;
  }
  try {
    return await commands[name]!();
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

process.exit(await main(process.argv.slice(2)));
