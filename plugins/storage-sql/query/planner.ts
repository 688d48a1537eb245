/**
 * What a PostgreSQL connection begins with. Every page is read in the order of an index, for as many rows as it has: what the
 * planner takes for few rows by its statistics, and would rather collect and sort, may be many. It sorts where nothing
 * else will do, and finds that costly, which would be a reason for it to compile the statement.
 */
export const PLANNER_OPTIONS = ['enable_sort', 'enable_incremental_sort', 'jit']
  .map((name) => `-c ${name}=off`)
  .join(' ');
