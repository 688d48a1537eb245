/** One statement of SQL with its parameters, as Kysely compiles it. */
export interface Statement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** Whose SQL it is. */
export type SqlDialect = 'postgres' | 'sqlite';
