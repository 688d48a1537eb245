import { SEARCH_COLUMN } from '../physical.ts';
import type { SqlDialect, Statement } from '../statement.ts';
import { addColumn, alterTable, createIndex, dropIndex, quoted } from './ddl.ts';
import type { Facts } from './facts.ts';
import type { Step } from './plan.ts';
import type { ColumnShape, IndexShape, TableShape } from './shape.ts';

export interface Context {
  readonly dialect: SqlDialect;
  readonly facts: Facts;
  /** Data migrations of the table's plugin are to come: what its rows lack they may yet get. */
  readonly migrating: boolean;
  /** Gets what stands in the way. */
  readonly problems: string[];
}

/** The steps that make the table that is wanted of the one that is there, in the order in which they are made. */
export async function diffTable(want: TableShape, have: TableShape, context: Context): Promise<readonly Step[]> {
  const work = new TableWork(want, have, context);
  if (want.primaryKey.join() !== have.primaryKey.join()) {
    const [is, was] = [want, have].map(({ primaryKey }) => primaryKey.join(', '));
    context.problems.push(
      `table ${want.name}: its primary key is (${was}) in the database and (${is}) in the declaration, and never changes: ` +
        'declare a table of another name, and a data migration that moves the rows',
    );
    return [];
  }
  work.dropUniqueKeys();
  await work.changeColumns();
  await work.addIndexes(false);
  await work.tighten();
  await work.addIndexes(true);
  work.dropLeftovers();
  return work.steps;
}

const sameIndex = (a: IndexShape, b: IndexShape): boolean =>
  a.unique === b.unique && a.using === b.using && a.terms.join() === b.terms.join();

type How = Partial<Pick<Step, 'destructive' | 'required' | 'late'>>;

class TableWork {
  readonly steps: Step[] = [];
  readonly #want: TableShape;
  readonly #context: Context;
  /** The table as the steps so far leave it. */
  #now: TableShape;

  constructor(want: TableShape, have: TableShape, context: Context) {
    this.#want = want;
    this.#now = have;
    this.#context = context;
  }

  #step(what: string, next: Partial<TableShape>, statements: readonly Statement[], how: How = {}): void {
    const sql = statements.map((one) => one.sql);
    this.steps.push({ what, statements, sql, destructive: false, required: true, late: false, ...how });
    this.#now = { ...this.#now, ...next };
  }

  #alter(what: string, next: Partial<TableShape>, alter: string, how?: How): void {
    const to = { ...this.#now, ...next };
    this.#step(what, next, alterTable(this.#context.dialect, this.#now, to, alter), how);
  }

  #with(column: ColumnShape): readonly ColumnShape[] {
    return this.#now.columns.map((one) => (one.name === column.name ? column : one));
  }

  /** A unique key that is no longer declared refuses rows that are allowed now. */
  dropUniqueKeys(): void {
    for (const index of this.#undeclared().filter(({ unique }) => unique)) this.#dropIndex(index, { required: true });
  }

  async changeColumns(): Promise<void> {
    for (const column of this.#want.columns) {
      const there = this.#now.columns.find(({ name }) => name === column.name);
      if (!there) await this.#addColumn(column);
      else {
        if (there.type !== column.type) this.#changeType(there, column);
        if (column.nullable && !there.nullable) this.#loosen(column);
      }
    }
    for (const column of this.#now.columns.filter(({ name }) => !this.#isWanted(name)))
      if (column.name === SEARCH_COLUMN) this.#dropColumn(column, { destructive: false, required: true });
      else if (!column.nullable) this.#loosen({ ...column, nullable: true });
  }

  async #addColumn(column: ColumnShape): Promise<void> {
    const { facts, migrating, problems } = this.#context;
    const { name } = this.#want;
    if (!column.nullable && !(await facts.isEmpty(name))) {
      if (!migrating)
        problems.push(
          `column ${name}.${column.name} is new and not nullable, and the table has rows: contribute a data migration that ` +
            'fills it, or make it nullable',
        );
      column = { ...column, nullable: true };
    }
    this.#step(`add column ${name}.${column.name}`, { columns: [...this.#now.columns, column] }, [
      addColumn(name, column),
    ]);
  }

  #changeType({ type: from, nullable }: ColumnShape, { name, type }: ColumnShape): void {
    this.#alter(
      `change the type of ${this.#want.name}.${name} from ${from} to ${type}`,
      { columns: this.#with({ name, type, nullable }) },
      `ALTER COLUMN ${quoted(name)} TYPE ${type} USING ${quoted(name)}::${type.split(' COLLATE ')[0]}`,
      { destructive: true },
    );
  }

  #loosen(column: ColumnShape): void {
    this.#alter(
      `let ${this.#want.name}.${column.name} be null`,
      { columns: this.#with({ ...column, nullable: true }) },
      `ALTER COLUMN ${quoted(column.name)} DROP NOT NULL`,
    );
  }

  /** Columns that must have a value, once every row has one. */
  async tighten(): Promise<void> {
    const { facts, migrating, problems } = this.#context;
    const { name: table, columns } = this.#want;
    for (const column of columns.filter(({ nullable }) => !nullable)) {
      const there = this.#now.columns.find(({ name }) => name === column.name);
      if (!there?.nullable) continue;
      const before = `${table}.${column.name}`;
      // A column that is added here has no values to look at.
      const added = this.steps.some(({ what }) => what === `add column ${before}`);
      if (!added && !migrating && (await facts.hasNull(table, column.name)))
        problems.push(
          `column ${before} is not nullable any more, and rows have no value in it: contribute a data migration that fills it`,
        );
      this.#alter(
        `let ${before} no longer be null`,
        { columns: this.#with(column) },
        `ALTER COLUMN ${quoted(column.name)} SET NOT NULL`,
        { late: true },
      );
    }
  }

  /** Unique keys wait for the data migrations, which may remove what repeats. */
  async addIndexes(unique: boolean): Promise<void> {
    const { facts, migrating, problems } = this.#context;
    const { name: table } = this.#want;
    for (const index of this.#want.indexes.filter((one) => one.unique === unique)) {
      const there = this.#now.indexes.find(({ name }) => name === index.name);
      if (there && sameIndex(there, index)) continue;
      const known = index.terms.every((term) => this.#now.columns.some(({ name }) => name === term));
      const added = this.steps.some(({ what }) => index.terms.some((term) => what === `add column ${table}.${term}`));
      if (unique && known && !added && !migrating && (await facts.repeats(table, index.terms)))
        problems.push(
          `unique key ${index.name}: rows share their ${index.terms.join(', ')}: contribute a data migration that changes them`,
        );
      this.#step(
        `${there ? 'make index again' : 'create index'} ${index.name}`,
        { indexes: [...this.#now.indexes.filter(({ name }) => name !== index.name), index] },
        [...(there ? [dropIndex(index.name)] : []), createIndex(table, index)],
        { late: unique },
      );
    }
  }

  /** What is in the way of nothing: it goes only when that is allowed. */
  dropLeftovers(): void {
    for (const index of this.#undeclared()) this.#dropIndex(index, { required: false });
    for (const column of this.#now.columns.filter(({ name }) => !this.#isWanted(name)))
      this.#dropColumn(column, { destructive: true, required: false });
  }

  #isWanted(column: string): boolean {
    return this.#want.columns.some(({ name }) => name === column);
  }

  /** Indexes that the store has made, by their names, for a declaration that is gone. Others are the operator's own. */
  #undeclared(): readonly IndexShape[] {
    return this.#now.indexes.filter(
      ({ name }) => name.startsWith(`${this.#want.name}__`) && !this.#want.indexes.some((one) => one.name === name),
    );
  }

  #dropIndex({ name, unique }: IndexShape, how: { readonly required: boolean }): void {
    const indexes = this.#now.indexes.filter((one) => one.name !== name);
    this.#step(`drop ${unique ? 'unique key' : 'index'} ${name}`, { indexes }, [dropIndex(name)], {
      destructive: true,
      ...how,
    });
  }

  /** The indexes that a column is part of go with it. */
  #dropColumn({ name }: ColumnShape, how: How): void {
    this.#alter(
      `drop column ${this.#want.name}.${name}`,
      {
        columns: this.#now.columns.filter((one) => one.name !== name),
        indexes: this.#now.indexes.filter(({ terms }) => !terms.some((term) => term.split(' ')[0] === name)),
      },
      `DROP COLUMN ${quoted(name)}`,
      how,
    );
  }
}
