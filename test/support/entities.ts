import { EntitySchema } from '@mikro-orm/core';
import type { AnyTable } from '../../core/contracts/tables.ts';
import { createIndex } from '../../plugins/storage-sql/schema/ddl.ts';
import { shapesOf, type TableShape } from '../../plugins/storage-sql/schema/shape.ts';
import type { SqlDialect } from '../../plugins/storage-sql/statement.ts';

/** The declared tables as MikroORM's entities, so that its own tools can look at what the store has made. */
export function entitiesOf(dialect: SqlDialect, tables: readonly AnyTable[]): readonly EntitySchema[] {
  return tables.flatMap((table) => shapesOf(dialect, table).map(entityOf));
}

function entityOf({ name, columns, primaryKey, indexes }: TableShape): EntitySchema {
  const properties = columns.map(({ name: fieldName, type, nullable }) => {
    const [columnType, collation] = type.split(' COLLATE ') as [string, string?];
    const property = {
      type: 'unknown',
      fieldName,
      columnType,
      nullable,
      ...(collation && { collation: JSON.parse(collation) as string }),
      ...(primaryKey.includes(fieldName) && { primary: true }),
    };
    return [fieldName, property];
  });
  return new EntitySchema({
    name,
    tableName: name,
    properties: Object.fromEntries(properties),
    indexes: indexes
      .filter(({ unique }) => !unique)
      // A column alone MikroORM can compare; for anything else it has the statement.
      .map((index) =>
        index.using === 'btree' && index.terms.every((term) => !term.includes(' '))
          ? { name: index.name, properties: [...index.terms] }
          : { name: index.name, expression: createIndex(name, index).sql },
      ),
    uniques: indexes
      .filter(({ unique }) => unique)
      .map((index) => ({ name: index.name, properties: [...index.terms] })),
  });
}
