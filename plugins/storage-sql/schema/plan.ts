import type { DataMigration, Declarations, MigrationPlan, MigrationStep } from '../../../core/contracts/migrations.ts';
import type { AnyTable } from '../../../core/contracts/tables.ts';
import type { Contribution } from '../../../core/kernel/index.ts';
import { indexName, SEARCH_COLUMN, tokensTable } from '../physical.ts';
import type { SqlDialect, Statement } from '../statement.ts';
import { createTable, dropTable } from './ddl.ts';
import { type Context, diffTable } from './diff.ts';
import type { Facts } from './facts.ts';
import { type Meta, metaTable, migrationKey, searchKey, tableKey } from './meta.ts';
import { shapesOf, type TableShape } from './shape.ts';

/** One change, and how it is made. */
export interface Step extends MigrationStep {
  readonly statements: readonly Statement[];
  /** It waits for the data migrations. */
  readonly late: boolean;
  /** The table whose searchable text is to be read again. */
  readonly fill?: AnyTable;
}

export interface Plan {
  readonly steps: readonly Step[];
  readonly migrations: readonly (Contribution<DataMigration> & { readonly key: string })[];
  readonly problems: readonly string[];
  readonly left: readonly string[];
  /** What the store has to remember and does not. */
  readonly remember: readonly (readonly [key: string, value: string])[];
}

/** What is in a database. */
export interface Found {
  readonly shapes: ReadonlyMap<string, TableShape>;
  readonly meta: Meta;
}

export const nameOf = ({ plugin, value }: Contribution<DataMigration>): string => `${plugin}/${value.id}`;

/** How to come from what is there to what is declared. Reads the tables where that decides. */
export async function makePlan(
  dialect: SqlDialect,
  declared: Declarations,
  { shapes, meta }: Found,
  facts: Facts,
): Promise<Plan> {
  const steps: Step[] = [];
  const problems: string[] = [];
  const remember: [string, string][] = [];
  const migrations = declared.migrations
    .map((one) => ({ ...one, key: migrationKey(nameOf(one)) }))
    .filter(({ key }) => !meta.has(key));
  const migrating = new Set(migrations.map(({ plugin }) => plugin));
  const note = (key: string, value: string) => {
    if ((meta.get(key) ?? '') !== value) remember.push([key, value]);
  };

  if (!shapes.has(metaTable.name)) steps.push(...shapesOf(dialect, metaTable).map((shape) => creation(dialect, shape)));
  const known = new Set<string>([metaTable.name]);
  for (const { plugin, value: table } of declared.tables) {
    note(tableKey(table.name), plugin);
    const own: Step[] = [];
    for (const want of shapesOf(dialect, table)) {
      known.add(want.name);
      const have = shapes.get(want.name);
      if (!have) own.push(creation(dialect, want));
      else {
        const context: Context = { dialect, facts, migrating: migrating.has(plugin), problems };
        own.push(...(await diffTable(want, have, context)));
      }
    }
    const searched = table.searchable.join();
    if (shapes.has(table.name) && searched !== '' && meta.get(searchKey(table.name)) !== searched) {
      // An index is made of all rows at once faster than it grows row by row.
      const index = own.findIndex(({ what }) => what.endsWith(` ${indexName(table, SEARCH_COLUMN)}`));
      own.splice(index < 0 ? own.length : index, 0, filling(table));
    }
    steps.push(...own);
    note(searchKey(table.name), searched);
    const tokens = tokensTable(table);
    if (searched === '' && shapes.has(tokens)) {
      known.add(tokens);
      steps.push(removal(tokens, { destructive: false, required: true }));
    }
  }

  const enabled = new Set([...declared.tables, ...declared.migrations].map(({ plugin }) => plugin));
  const left: string[] = [];
  for (const name of shapes.keys()) {
    const owner = meta.get(tableKey(name));
    if (known.has(name) || owner === undefined) continue;
    if (!enabled.has(owner)) left.push(`table ${name} of the plugin '${owner}', which is not enabled`);
    else steps.push(...[name, `${name}$tokens`].filter((one) => shapes.has(one)).map((one) => removal(one)));
  }
  // Whatever is earlier must not wait for what may be left out.
  const rank = ({ late, required }: Step) => (required ? 0 : 2) + (late ? 1 : 0);
  return { steps: steps.toSorted((a, b) => rank(a) - rank(b)), migrations, problems, left, remember };
}

const shown = (statements: readonly Statement[]) => statements.map(({ sql }) => sql);

function creation(dialect: SqlDialect, shape: TableShape): Step {
  const statements = createTable(dialect, shape);
  const what = `create table ${shape.name}`;
  return { what, statements, sql: shown(statements), destructive: false, required: true, late: false };
}

function removal(name: string, how = { destructive: true, required: false }): Step {
  const statements = [dropTable(name)];
  return { what: `drop table ${name}`, statements, sql: shown(statements), late: false, ...how };
}

function filling(table: AnyTable): Step {
  const what = `read the searchable text of ${table.name}: ${table.searchable.join(', ')}`;
  return { what, statements: [], sql: [], destructive: false, required: true, late: false, fill: table };
}

/** As the contract has it. */
export const publicPlan = ({ steps, migrations, problems, left }: Plan): MigrationPlan => ({
  steps: steps.map(({ what, sql, destructive, required }) => ({ what, sql, destructive, required })),
  migrations: migrations.map(nameOf),
  problems,
  left,
});
