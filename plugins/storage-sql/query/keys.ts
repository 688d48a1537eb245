import { sql } from 'kysely';
import type { Value } from '../../../core/contracts/query.ts';
import type { Key } from '../../../core/contracts/store.ts';
import type { AnyTable } from '../../../core/contracts/tables.ts';
import { keyValues, type StoredRow } from '../../../core/lib/rows.ts';
import type { Session } from '../database.ts';
import { columnType } from '../physical.ts';
import type { SqlDialect } from '../statement.ts';
import { decodeRow, encode, selectList } from './codec.ts';
import { allOf, columnsOf, compile, equals, name, type Scope, type Sql } from './sql.ts';

/** That the row has this primary key. */
const hasKey = (scope: Scope, values: readonly Value[]): Sql =>
  allOf(scope.table.primaryKey.map((each: string, i: number) => equals(scope, each, values[i]!)));

/** That the row has one of these primary keys. */
function hasOneOf(scope: Scope, keys: readonly (readonly Value[])[]): Sql {
  const { dialect, table } = scope;
  const columns = columnsOf(scope, table.primaryKey);
  const encoded = (key: readonly Value[]) =>
    key.map((value, i) => encode(dialect, table.columns[table.primaryKey[i]!], value));
  if (dialect === 'sqlite') {
    const values = sql.join(table.primaryKey.map((_: string, i: number) => sql.raw(`value ->> ${i}`)));
    return sql`(${columns}) in (select ${values} from json_each(${JSON.stringify(keys.map(encoded))}))`;
  }
  const lists = table.primaryKey.map((each: string, i: number) => {
    const type = columnType(dialect, table.columns[each].type).split(' ')[0];
    return sql`${keys.map((key) => encoded(key)[i])}::${sql.raw(`${type}[]`)}`;
  });
  return sql`(${columns}) in (select * from unnest(${sql.join(lists)}))`;
}

const keyOf = (values: readonly unknown[]): string => JSON.stringify(values);

/** See TableReader.getMany. */
export async function getMany(
  dialect: SqlDialect,
  session: Session,
  table: AnyTable,
  keys: readonly Key[],
): Promise<StoredRow[]> {
  const wanted = new Map(keys.map((key) => keyValues(table, key)).map((values) => [keyOf(values), values]));
  if (wanted.size === 0) return [];
  const scope: Scope = { dialect, table, alias: 't' };
  const values = [...wanted.values()];
  const which = values.length === 1 ? hasKey(scope, values[0]!) : hasOneOf(scope, values);
  const list = sql.raw(selectList(dialect, table));
  const statement = compile(
    dialect,
    sql`select ${list} from ${name(table.name)} as ${name(scope.alias)} where ${which}`,
  );
  const rows = new Map<string, StoredRow>();
  for (const each of await session.execute(statement)) {
    const row = decodeRow(table, each);
    rows.set(keyOf(table.primaryKey.map((name: string) => row[name])), row);
  }
  return [...wanted.keys()].flatMap((key) => rows.get(key) ?? []);
}
