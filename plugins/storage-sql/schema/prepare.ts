import { type Declarations, isUpToDate, type MigrationPlan } from '../../../core/contracts/migrations.ts';
import type { WriteTransaction } from '../../../core/contracts/store.ts';
import type { AnyTable } from '../../../core/contracts/tables.ts';
import { uuidv7 } from '../../../core/lib/uuid.ts';
import type { Database, Session } from '../database.ts';
import { factsOf } from './facts.ts';
import { inspect } from './inspect.ts';
import { FORMAT, type Meta, metaTable, readMeta, writeMeta } from './meta.ts';
import { type Found, makePlan, nameOf, type Plan, publicPlan, type Step } from './plan.ts';
import { runStep } from './run-step.ts';
import { SchemaError } from './schema-error.ts';

/** Held by the one instance that changes the schema. */
const LEASE = 'tracker$schema';

export interface PrepareOptions {
  /** 'additive' is what loses nothing. Where more is required, nothing is applied at all. */
  readonly apply: 'nothing' | 'additive' | 'destructive';
  /** Runs a write transaction of a store that holds these tables in this database; for data migrations. */
  readonly transact: (
    tables: readonly AnyTable[],
    run: (tx: WriteTransaction) => Promise<void>,
    signal: AbortSignal,
  ) => Promise<void>;
  readonly signal: AbortSignal;
}

export interface Prepared {
  /** Names this data; undefined where there is no schema yet. */
  readonly storeId: string | undefined;
  readonly applied: MigrationPlan;
  /** What is still to be done. The store can serve when `ready`. */
  readonly pending: MigrationPlan;
  readonly ready: boolean;
}

/**
 * Looks what is in the database, and makes it what is declared as far as that is allowed, one instance at a time. Throws
 * SchemaError where the schema is newer than this code, or a step or a data migration is refused, and DatabaseError.
 */
export async function prepare(database: Database, declared: Declarations, options: PrepareOptions): Promise<Prepared> {
  const { signal } = options;
  const first = await survey(database, database.session(signal), declared);
  if (!isToBeApplied(first.plan, options)) return outcome(first, NOTHING);
  const prepared = await database.lease(
    LEASE,
    (held) => applyUnderLease(database, declared, { ...options, signal: AbortSignal.any([signal, held]) }),
    { signal },
  );
  if (!prepared) throw new SchemaError('the wait for the instance that changes the schema was given up');
  return prepared;
}

const NOTHING: MigrationPlan = { steps: [], migrations: [], problems: [], left: [] };

interface Surveyed {
  readonly meta: Meta;
  readonly plan: Plan;
}

const outcome = ({ meta, plan }: Surveyed, applied: MigrationPlan): Prepared => {
  const pending = publicPlan(plan);
  return { storeId: meta.get('store'), applied, pending, ready: isUpToDate(pending) && meta.has('store') };
};

/** Reads what is there, and plans. */
async function survey(database: Database, session: Session, declared: Declarations): Promise<Surveyed> {
  const shapes = await inspect(database.dialect, session);
  const meta = shapes.has(metaTable.name) ? await readMeta(session) : new Map<string, string>();
  refuseNewer(meta, declared);
  const found: Found = { shapes, meta };
  return { meta, plan: await makePlan(database.dialect, declared, found, factsOf(session)) };
}

function refuseNewer(meta: Meta, declared: Declarations): void {
  const format = Number(meta.get('format') ?? FORMAT);
  if (format > FORMAT)
    throw new SchemaError(
      `the schema is newer than this version: its format is ${format}, and this version knows ${FORMAT}; run a newer version`,
    );
  const plugins = new Set([...declared.tables, ...declared.migrations].map(({ plugin }) => plugin));
  const known = new Set(declared.migrations.map(nameOf));
  const unknown = [...meta.keys()]
    .filter((key) => key.startsWith('migration:'))
    .map((key) => key.slice('migration:'.length))
    .find((id) => plugins.has(id.split('/')[0]!) && !known.has(id));
  if (unknown !== undefined)
    throw new SchemaError(
      `the schema is newer than this version: the data migration '${unknown}' was run, which this version does not know; ` +
        'run a newer version',
    );
}

const refused = ({ steps, problems }: Plan, { apply }: PrepareOptions): boolean =>
  problems.length > 0 || (apply !== 'destructive' && steps.some((step) => step.destructive && step.required));

const wanted = ({ steps }: Plan, { apply }: PrepareOptions): readonly Step[] =>
  steps.filter(({ destructive }) => !destructive || apply === 'destructive');

const isToBeApplied = (plan: Plan, options: PrepareOptions): boolean =>
  options.apply !== 'nothing' &&
  !refused(plan, options) &&
  wanted(plan, options).length + plan.migrations.length + plan.remember.length > 0;

async function applyUnderLease(database: Database, declared: Declarations, options: PrepareOptions): Promise<Prepared> {
  const { signal, transact } = options;
  const again = () => survey(database, database.session(signal), declared);
  const applied: Step[] = [];
  const run = async (steps: readonly Step[], { meta, plan }: Surveyed) => {
    await inTransaction(database, signal, async (session) => {
      for (const step of steps) await runStep(database, session, step);
      await remember(database, session, meta, plan);
    });
    applied.push(...steps);
  };
  let now = await again();
  const { migrations } = now.plan;
  if (isToBeApplied(now.plan, options) && migrations.length > 0) {
    await run(
      wanted(now.plan, options).filter(({ required, late }) => required && !late),
      now,
    );
    const tables = [metaTable, ...declared.tables.map(({ value }) => value)];
    for (const migration of migrations)
      await transact(
        tables,
        async (tx) => {
          await migration.value.run(tx);
          await tx.table(metaTable).insert({ key: migration.key, value: new Date().toISOString() });
        },
        signal,
      ).catch((error: unknown) => {
        if (signal.aborted) throw error;
        throw new SchemaError(
          `the data migration '${nameOf(migration)}' failed: ${error instanceof Error ? error.message : String(error)}`,
          error,
        );
      });
    now = await again();
  }
  if (isToBeApplied(now.plan, options)) {
    await run(wanted(now.plan, options), now);
    now = await again();
  }
  return outcome(now, { ...NOTHING, steps: publicSteps(applied), migrations: migrations.map(nameOf) });
}

const publicSteps = (steps: readonly Step[]) =>
  publicPlan({ steps, migrations: [], problems: [], left: [], remember: [] }).steps;

async function remember({ dialect }: Database, session: Session, meta: Meta, plan: Plan): Promise<void> {
  const first: [string, string][] = meta.has('store')
    ? []
    : [
        ['format', String(FORMAT)],
        ['store', uuidv7()],
      ];
  for (const [key, value] of [...first, ...plan.remember]) await writeMeta(dialect, session, key, value);
}

/**
 * One transaction, so that a schema is never half made. It may take as long as its indexes take; but it waits for a
 * table's lock no longer than 5 s, for whoever wants the table then waits behind it.
 */
async function inTransaction(
  database: Database,
  signal: AbortSignal,
  run: (session: Session) => Promise<void>,
): Promise<void> {
  const transaction = await database.begin('write', signal);
  try {
    if (database.dialect === 'postgres')
      for (const setting of ["lock_timeout = '5s'", 'statement_timeout = 0', 'idle_in_transaction_session_timeout = 0'])
        await transaction.execute({ sql: `SET LOCAL ${setting}`, parameters: [] });
    await run(transaction);
  } catch (error) {
    await transaction.rollback();
    throw error;
  }
  await transaction.commit();
}
