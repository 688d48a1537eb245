import assert from 'node:assert/strict';
import { changesTable, historyTable } from '../../core/contracts/log.ts';
import {
  and,
  eq,
  exists,
  type Find,
  isNull,
  like,
  MAX_EXAMINED,
  matchesText,
  ne,
  not,
  range,
  type Where,
} from '../../core/contracts/query.ts';
import type { AnyTable } from '../../core/contracts/tables.ts';
import { cursorOf } from '../../core/lib/cursor.ts';
import { answersTable } from '../../plugins/api/answers.ts';
import { issuesTable } from '../../plugins/issue/table.ts';
import { membersTable, projectsTable } from '../../plugins/project/tables.ts';
import { Queries } from '../../plugins/storage-sql/query/queries.ts';
import type { Statement } from '../../plugins/storage-sql/statement.ts';
import { usersTable } from '../../plugins/user/table.ts';
import { createWithRows, idOf } from '../support/many-rows.ts';
import { type SqlSession, sqlSession } from '../support/sql-session.ts';

const ROWS = 100_000;
const LIMIT = 50;

type Shape = readonly [table: AnyTable, orders: readonly string[], where?: Where];

/** Every list that the services offer without a free filter, and what they and the log read by. */
const shapes: readonly Shape[] = [
  [issuesTable, ['created_at', 'updated_at', 'due_at', 'priority_rank,created_at']],
  [
    issuesTable,
    ['created_at', 'updated_at', 'due_at', 'priority_rank,created_at', 'number'],
    eq('project_id', idOf(7)),
  ],
  [issuesTable, ['created_at'], and(eq('project_id', idOf(7)), eq('status', 'v7'))],
  [issuesTable, ['created_at'], eq('assignee_id', idOf(7))],
  [issuesTable, ['created_at'], isNull('assignee_id')],
  [issuesTable, ['created_at'], range('created_at', { gte: 1_000, lt: 20_000 })],
  [issuesTable, ['due_at'], and(eq('project_id', idOf(7)), range('due_at', { lt: 20_000 }))],
  [projectsTable, ['created_at', 'key', 'name']],
  [usersTable, ['created_at', 'name', 'email_key', 'id']],
  [membersTable, ['created_at', 'user_id'], eq('project_id', idOf(7))],
  [membersTable, ['project_id'], eq('user_id', idOf(7))],
  [historyTable, ['time'], and(eq('entity', 'v7'), eq('entity_id', 'v7'))],
  [changesTable, ['seq'], range('seq', { gt: 50_000 })],
  [changesTable, ['seq'], range('seq', { gte: 0 })],
  [changesTable, ['id'], isNull('seq')],
  [answersTable, ['created_at'], range('created_at', { lte: 20_000 })],
];

interface Seen {
  readonly statements: Statement[];
  readonly queries: Queries;
  readonly sql: SqlSession;
}

/** Every query of a shape: both directions, and pages from the middle on, also after a row without a value. */
async function* pagesOf({ queries, sql }: Seen, [table, orders, where]: Shape): AsyncGenerator<Find> {
  const middle = await queries.find(sql, table, { where: range(table.primaryKey[0]!, middleOf(table)), limit: 3 });
  for (const order of orders)
    for (const descending of [false, true]) {
      const query: Find = { orderBy: { columns: order.split(','), descending }, limit: LIMIT, ...(where && { where }) };
      yield query;
      for (const row of middle.rows) yield { ...query, after: cursorOf(table, query.orderBy, row) };
    }
}

const middleOf = (table: AnyTable) =>
  table.columns[table.primaryKey[0]!].type === 'uuid'
    ? { gte: idOf(50_000 % (table === membersTable ? 50 : ROWS)) }
    : { gte: '' };

/** What SQLite says of a statement that is not how an index is walked. */
async function faultsInSqlite(sql: SqlSession, { sql: text, parameters }: Statement): Promise<readonly string[]> {
  const plan = await sql.run(`EXPLAIN QUERY PLAN ${text}`, parameters);
  return plan
    .map((row) => String(row['detail']))
    .filter(
      (detail) =>
        /TEMP B-TREE|AUTOMATIC|MATERIALIZE/.test(detail) || /^SCAN (?!\(?(o|t|s\d|subquery))(?!.*USING)/.test(detail),
    );
}

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Actual Rows': number;
  readonly 'Shared Hit Blocks': number;
  readonly 'Shared Read Blocks': number;
  readonly 'Index Name'?: string;
  readonly Plans?: readonly PlanNode[];
}
const WALKS = ['Limit', 'Index Scan', 'Index Only Scan', 'Append', 'Subquery Scan', 'Result', 'WindowAgg'];
const nodesOf = (node: PlanNode): readonly PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];

async function planInPostgres(sql: SqlSession, { sql: text, parameters }: Statement): Promise<PlanNode> {
  const [row] = await sql.run(`EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) ${text}`, parameters);
  return JSON.parse(row!['QUERY PLAN'] as string)[0].Plan;
}

async function faultsInPostgres(sql: SqlSession, statement: Statement, most: number): Promise<readonly string[]> {
  const plan = await planInPostgres(sql, statement);
  const blocks = plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
  return [
    ...nodesOf(plan).flatMap(({ 'Node Type': type }) => (WALKS.includes(type) ? [] : [type])),
    // A row behind the index is a block, in the worst case.
    ...(blocks <= most ? [] : [`${blocks} blocks`]),
  ];
}

for (const dialect of ['sqlite', 'postgres'] as const)
  describe(`plans in ${dialect}, with ${ROWS} rows`, function () {
    this.timeout(120_000);
    let sql: SqlSession;
    const queries = new Queries(dialect);
    const statements: Statement[] = [];

    before(async function () {
      const session = await sqlSession(this, dialect, []);
      sql = {
        ...session,
        execute(statement) {
          statements.push(statement);
          return session.execute(statement);
        },
      };
      for (const table of new Set(shapes.map(([table]) => table))) await createWithRows(sql, table, ROWS);
      if (dialect === 'postgres') await sql.run('ANALYZE');
    });
    after(() => sql?.close());

    for (const shape of shapes) {
      const [{ name }, orders, where] = shape;
      it(`${name} by ${orders.join(' or ')}${where ? ` where ${JSON.stringify(where)}` : ''} walk an index`, async () => {
        for await (const query of pagesOf({ statements, queries, sql }, shape)) {
          statements.length = 0;
          const page = await queries.find(sql, shape[0], query);
          // None where nothing can follow.
          assert.ok(statements.length === 1 || page.rows.length === 0);
          const [statement] = statements;
          if (!statement) continue;
          const faults =
            dialect === 'sqlite'
              ? await faultsInSqlite(sql, statement)
              : await faultsInPostgres(sql, statement, 4 * LIMIT);
          assert.deepEqual(faults, [], `${JSON.stringify(query)}: ${page.rows.length} rows, ${statement.sql}`);
        }
      });
    }

    /** The rows of all pages, how many pages, and the most rows that one step of a plan had. */
    async function follow(where: Where) {
      const query = { where, orderBy: { columns: ['created_at'], descending: true }, limit: LIMIT };
      const seen = { rows: 0, pages: 0, most: 0 };
      let after: string | undefined;
      do {
        statements.length = 0;
        const page = await queries.find(sql, issuesTable, { ...query, ...(after !== undefined && { after }) });
        seen.rows += page.rows.length;
        seen.pages++;
        after = page.next;
        if (dialect === 'postgres')
          for (const statement of [...statements])
            for (const { 'Actual Rows': rows } of nodesOf(await planInPostgres(sql, statement)))
              seen.most = Math.max(seen.most, rows);
      } while (after !== undefined);
      return seen;
    }

    it(`a free filter examines ${MAX_EXAMINED} rows for a page, which may be short and goes on`, async () => {
      for (const where of [eq('status', 'none'), and(ne('status', 'v1'), like('summary', ['', 'zzz', '']))]) {
        const { rows, pages, most } = await follow(where);
        assert.deepEqual([rows, pages], [0, ROWS / MAX_EXAMINED]);
        assert.ok(most <= MAX_EXAMINED + 1, `${most} rows`);
      }
    });

    it('looks at each row’s own counterpart in another table, and not at all of that', async () => {
      const { pages, most } = await follow(not(exists(projectsTable, { id: 'project_id' })));
      assert.equal(pages, Math.ceil(ROWS / 50 / LIMIT));
      assert.ok(most <= MAX_EXAMINED + 1, `${most} rows`);
    });

    it('finds a rare word without a walk through the table, whatever the order', async () => {
      const none = await follow(matchesText('nothing'));
      assert.deepEqual([none.rows, none.pages], [0, 1]);
      const { rows, pages, most } = await follow(matchesText('w777 comm'));
      assert.deepEqual([rows, pages], [100, 2]);
      assert.ok(most <= 2_000, `${most} rows`);
    });
  });
