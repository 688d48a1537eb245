import type { Cancellation } from '../../core/contracts/cancellation.ts';
import {
  type Change,
  type ChangeKind,
  changesTable,
  type FieldChange,
  type HistoryQuery,
  historyTable,
  logTrimmed,
  type Position,
} from '../../core/contracts/log.ts';
import { and, eq, isNull, type Order, range } from '../../core/contracts/query.ts';
import type { ReadTransaction, Store, TableReader } from '../../core/contracts/store.ts';
import type { Json, Row } from '../../core/contracts/tables.ts';
import { cursorOf } from '../../core/lib/cursor.ts';
import { fitting } from '../../core/lib/list.ts';

const DEFAULT_LIMIT = 500;
const REST_OF_TRANSACTION = 200;

/** Reads the log and the history from the tables that the store's `emit` fills. */
export class StoreChangeLog {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  storeId(): string {
    return this.#store.id;
  }

  head(): Promise<number> {
    return this.#store.read((tx) => newestSeq(tx.table(changesTable)));
  }

  newest(upTo?: number): Promise<Position> {
    return this.#store.read((tx) => newest(tx.table(changesTable), upTo));
  }

  async headIn(tx: ReadTransaction): Promise<Position & { readonly pending: ReadonlySet<string> }> {
    const table = tx.table(changesTable);
    const pending = new Set<string>();
    for (let last: string | undefined, more = this.#store.shared; more; ) {
      const where = last === undefined ? isNull('seq') : and(isNull('seq'), range('id', { gt: last }));
      const page = await table.find({ where, limit: DEFAULT_LIMIT });
      for (const { id } of page.rows) pending.add(id);
      last = page.rows.at(-1)?.id ?? last;
      more = page.next !== undefined;
    }
    return { ...(await newest(table)), pending };
  }

  async read({
    after,
    limit = DEFAULT_LIMIT,
    signal,
  }: {
    readonly after: number;
    readonly limit?: number;
    readonly signal?: Cancellation;
  }): Promise<readonly Change[]> {
    const options = signal ? { signal } : {};
    // Mostly one query tells all there is to tell, and one query alone needs no snapshot.
    const { rows } = await this.#store.read((tx) => find(tx.table(changesTable), after, limit), options);
    if (rows.length < limit && (rows[0]?.seq ?? after + 1) === after + 1) return rows.map(changeOf);
    return this.#store.read(async (tx) => {
      const table = tx.table(changesTable);
      const rows = [...(await following(table, after, limit))];
      const first = rows[0]?.seq ?? 0;
      if (first > after + 1) await refuseTrimmed(table, after, first);
      // A transaction is delivered whole: read on until another one begins.
      for (let last = rows.at(-1); last && rows.length >= limit; ) {
        const more = await following(table, last.seq ?? 0, REST_OF_TRANSACTION);
        const rest = more.findIndex((row) => row.transaction !== last?.transaction);
        rows.push(...(rest === -1 ? more : more.slice(0, rest)));
        if (rest !== -1 || more.length < REST_OF_TRANSACTION) break;
        last = rows.at(-1);
      }
      return rows.map(changeOf);
    }, options);
  }

  history({ entity, entityId, limit, where, descending = false, after }: HistoryQuery) {
    const orderBy: Order = { columns: ['time'], descending };
    return this.#store.read(async (tx) => {
      const page = await tx.table(historyTable).find({
        where: and(eq('entity', entity), eq('entity_id', entityId), ...(where ? [where] : [])),
        orderBy,
        limit,
        ...(after === undefined ? {} : { after }),
      });
      // An entry may hold two long descriptions, so a page of them is cut like that of any list.
      const rows = page.rows.slice(0, fitting(page.rows));
      const next = rows.length < page.rows.length ? cursorOf(historyTable, orderBy, rows.at(-1)!) : page.next;
      const entries = rows.map((row) => ({
        id: row.id,
        time: row.time,
        actor: row.actor,
        kind: row.kind as ChangeKind,
        revision: row.revision,
        changes: changesOf(row),
      }));
      return next === undefined ? { entries } : { entries, next };
    });
  }
}

export async function newestSeq(table: TableReader<typeof changesTable>): Promise<number> {
  return (await newest(table)).seq;
}

async function newest(table: TableReader<typeof changesTable>, upTo?: number): Promise<Position> {
  const orderBy = { columns: ['seq'], descending: true };
  const where = range('seq', { gte: 0, ...(upTo === undefined ? {} : { lte: upTo }) });
  const [row] = (await table.find({ where, orderBy, limit: 1 })).rows;
  return { seq: row?.seq ?? 0, id: row?.id ?? '' };
}

/** Only from the beginning on are events deleted: where one up to the position is left, none is missing after it. */
async function refuseTrimmed(table: TableReader<typeof changesTable>, after: number, first: number): Promise<void> {
  const orderBy = { columns: ['seq'] };
  const before = await table.find({ where: range('seq', { gte: 0, lte: after }), orderBy, limit: 1 });
  if (before.rows.length === 0) throw logTrimmed(first);
}

const find = (table: TableReader<typeof changesTable>, after: number, limit: number) =>
  table.find({ where: range('seq', { gt: after }), orderBy: { columns: ['seq'] }, limit });

const following = async (table: TableReader<typeof changesTable>, after: number, limit: number) =>
  (await find(table, after, limit)).rows;

function changesOf({ fields, before, after }: Row<typeof historyTable>): readonly FieldChange[] {
  const from = before as readonly Json[] | null;
  const to = after as readonly Json[] | null;
  return (fields as readonly string[]).map((field, i) => ({ field, from: from?.[i] ?? null, to: to?.[i] ?? null }));
}

function changeOf(row: Row<typeof changesTable>): Change {
  return {
    seq: row.seq ?? 0,
    id: row.id,
    transaction: row.transaction,
    scope: row.scope,
    revision: row.revision,
    ordinal: row.ordinal,
    time: row.time,
    actor: row.actor,
    entity: row.entity,
    entityId: row.entity_id,
    kind: row.kind as ChangeKind,
    fields: row.fields as readonly string[],
    after: row.after,
    context: row.context,
  };
}
