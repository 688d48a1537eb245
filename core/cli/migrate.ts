import { parseArgs } from 'node:util';
import { builtins } from '../../config/builtins.ts';
import {
  type Declarations,
  dataMigrations,
  isUpToDate,
  type MigrationPlan,
  type SchemaMigrations,
  schemaMigrations,
} from '../contracts/migrations.ts';
import { tables } from '../contracts/tables.ts';
import { boot, type Settings } from '../kernel/index.ts';
import { createLogger } from './logger.ts';

type Command = 'plan' | 'apply' | 'status';

/** Something is to be migrated, says `plan` or `status`. */
const PENDING = 3;

/** The command and its option; undefined where it is none. */
export function migrateArguments(
  args: readonly string[],
): { readonly command: Command; readonly allowDestructive: boolean } | undefined {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { 'allow-destructive': { type: 'boolean', default: false } },
    });
    const [command, ...more] = positionals;
    const allowDestructive = values['allow-destructive'];
    if (more.length > 0 || (command !== 'apply' && allowDestructive)) return undefined;
    if (command !== 'plan' && command !== 'apply' && command !== 'status') return undefined;
    return { command, allowDestructive };
  } catch {
    return undefined;
  }
}

/**
 * Looks at the schema of the storage that is configured, or makes it what the plugins declare. Plugins are set up and not
 * started, so nothing listens and nothing is seeded. Returns the exit code.
 */
export async function migrate(
  { entries }: Settings,
  { command, allowDestructive }: { readonly command: Command; readonly allowDestructive: boolean },
): Promise<number> {
  const log = createLogger('error', 2);
  const running = await boot({ entries, builtins, log, until: 'setup' });
  const { plugins } = running.plan;
  const keepsSchema = plugins.some(({ plugin }) =>
    Object.values(plugin.provides).some(({ id }) => id === schemaMigrations.id),
  );
  try {
    if (!keepsSchema) {
      process.stdout.write('nothing to migrate: the storage keeps no schema outside of the process\n');
      return 0;
    }
    const declared = { tables: running.contributed(tables), migrations: running.contributed(dataMigrations) };
    return await commands[command](running.service(schemaMigrations), declared, allowDestructive);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    await running.stop('the end of the command');
  }
}

const commands: Readonly<
  Record<Command, (schema: SchemaMigrations, declared: Declarations, destructive: boolean) => Promise<number>>
> = {
  plan: async (schema, declared) => {
    const plan = await schema.plan(declared, never());
    process.stdout.write(describe(plan, 'nothing to migrate'));
    return isUpToDate(plan) ? 0 : PENDING;
  },
  apply: async (schema, declared, allowDestructive) => {
    const done = await schema.apply(declared, { allowDestructive, signal: never() });
    process.stdout.write(describe(done, 'nothing to migrate'));
    return 0;
  },
  status: async (schema, declared) => {
    const plan = await schema.plan(declared, never());
    const count = plan.steps.filter(({ required }) => required).length;
    const parts = [
      ...(plan.problems.length > 0 ? [`problems: ${plan.problems.length}`] : []),
      ...(count > 0 ? [`changes to make: ${count}`] : []),
      ...(plan.migrations.length > 0 ? [`data migrations to run: ${plan.migrations.length}`] : []),
    ];
    if (plan.absent !== undefined) process.stdout.write(`${plan.absent}\n`);
    process.stdout.write(`schema: ${parts.join(', ') || 'up to date'}\n`);
    for (const { id, at } of await schema.done(never())) process.stdout.write(`data migration ${id}: run at ${at}\n`);
    for (const id of plan.migrations) process.stdout.write(`data migration ${id}: to be run\n`);
    return isUpToDate(plan) ? 0 : PENDING;
  },
};

const never = (): AbortSignal => new AbortController().signal;

function describe({ absent, steps, migrations, problems, left }: MigrationPlan, otherwise: string): string {
  const lines = [
    ...(absent === undefined ? [] : [absent]),
    ...steps.flatMap(({ what, sql, destructive, required }) => [
      `${what}${destructive ? ` (loses data: ${required ? 'needs' : 'left as it is without'} --allow-destructive)` : ''}`,
      ...sql.map((statement) => `    ${statement};`),
    ]),
    ...migrations.map((id) => `data migration ${id}`),
    ...left.map((what) => `left as it is: ${what}`),
    ...problems.map((problem) => `problem: ${problem}`),
  ];
  return `${lines.join('\n') || otherwise}\n`;
}
