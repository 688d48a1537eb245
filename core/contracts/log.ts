import { token } from '../kernel/plugin.ts';
import type { Cancellation } from './cancellation.ts';
import { DomainError } from './errors.ts';
import type { Where } from './query.ts';
import type { ReadTransaction } from './store.ts';
import { defineTable, int64, type Json, json, text, timestamp, uuid } from './tables.ts';

/**
 * The change log: what was changed, in the order of the commits.
 *
 * A *scope* is a row that counts the transactions that changed it or anything in it (a project, a user). A
 * mutation emits its events in the transaction that makes it, so a change and its event are stored together or not
 * at all. Within a scope, revisions have no gap and follow the order of the commits; the events of one transaction
 * in one scope share a revision and are told apart by `ordinal`, from 0.
 *
 * Across scopes, `seq` is the total order. It grows with each event, has no meaning beyond its order, keeps each
 * scope's order, and the events of one transaction follow each other. Old events are deleted in this order, never the
 * newest; history stays.
 */

export type ChangeKind = 'CREATED' | 'UPDATED' | 'DELETED';

export interface FieldChange {
  /** In proto names. */
  readonly field: string;
  readonly from: Json;
  readonly to: Json;
}

/** What a transaction says about one change. */
export interface ChangeEvent {
  /** 'issue', 'project', 'project_member', 'user' ...: the table's resource, in the singular. */
  readonly entity: string;
  readonly entityId: string;
  readonly kind: ChangeKind;
  /** Who did it: a user's id, or null. */
  readonly actor: string | null;
  /** What changed, from what to what; for CREATED the fields that have a value, from null. */
  readonly changes: readonly FieldChange[];
  /** The entity's row after the change; null when it was deleted. */
  readonly after: Json;
  /** What else is true after the change and readers of the log need: a project's counts. Absent = nothing. */
  readonly context?: Json;
  /** False where the entity's history has this change from another event, in another scope. */
  readonly history?: false;
}

/** One event of the log. */
export interface Change {
  readonly seq: number;
  /**
   * UUIDv7, the same wherever the event is delivered. Ids are ordered by time, then by transaction, then as the
   * transaction emitted: so is, in each scope, the log (see core/lib/uuid.ts's uuidv7Series).
   */
  readonly id: string;
  /** The same for all events of one transaction. */
  readonly transaction: string;
  /** '<table>/<key>' of the scope's row. */
  readonly scope: string;
  readonly revision: number;
  readonly ordinal: number;
  /** The transaction's time, in microseconds. */
  readonly time: number;
  readonly actor: string | null;
  readonly entity: string;
  readonly entityId: string;
  readonly kind: ChangeKind;
  /** The names of the changed fields. */
  readonly fields: readonly string[];
  readonly after: Json;
  readonly context: Json;
}

/** What one commit of this instance changed. */
export interface Committed {
  /** The last seq of the commit; null where the store leaves the order to the log plugin. */
  readonly seq: number | null;
  readonly changes: readonly { readonly entity: string; readonly entityId: string; readonly scope: string }[];
}

/** One entry of the permanent history of an entity. */
export interface HistoryEntry {
  readonly id: string;
  readonly time: number;
  readonly actor: string | null;
  readonly kind: ChangeKind;
  readonly revision: number;
  readonly changes: readonly FieldChange[];
}

export interface HistoryQuery {
  readonly entity: string;
  readonly entityId: string;
  readonly limit: number;
  readonly where?: Where;
  readonly descending?: boolean;
  readonly after?: string;
}

/** A place in the log, by the event that is there. Where there is none, `seq` is 0 and `id` ''. */
export interface Position {
  readonly seq: number;
  readonly id: string;
}

export interface ChangeLog {
  /** The id of the store whose log this is; a position of another store's log means nothing here. */
  storeId(): string;
  /** The seq of the newest event, 0 when there is none. */
  head(): Promise<number>;
  /** The newest event, or the newest up to a seq, of those that are kept. */
  newest(upTo?: number): Promise<Position>;
  /**
   * The newest event that a transaction sees, with the ids of the events that it sees and that have no seq yet: what they
   * did is in its snapshot, and they follow later.
   */
  headIn(tx: ReadTransaction): Promise<Position & { readonly pending: ReadonlySet<string> }>;
  /**
   * The events after a position, in order. Ends between transactions, so it may return a few more than `limit`
   * (default 500); fewer are all that followed. Throws `logTrimmed` where events after the position are no longer kept.
   */
  read(options: {
    readonly after: number;
    readonly limit?: number;
    readonly signal?: Cancellation;
  }): Promise<readonly Change[]>;
  /**
   * Calls the listener with at least every event that is committed after this call, and after the store was ready, in
   * order, whole transactions at a time, once each. A listener must not throw and must not wait. Returns the end.
   */
  follow(listener: (changes: readonly Change[]) => void): () => void;
  /**
   * The seq up to which those who follow have been told, or are being told right now; undefined before the store was
   * ready. Who has read the log up to it, and follows in the same turn, misses nothing.
   */
  followed(): number | undefined;
  /**
   * An entity's history, oldest first unless `descending`. `where` is of the columns of `historyTable`. `after` is the
   * `next` of the page before.
   */
  history(options: HistoryQuery): Promise<{ readonly entries: readonly HistoryEntry[]; readonly next?: string }>;
}

/** OUT_OF_RANGE: what followed a position is no longer kept. The metadata's `first` is the first seq that is. */
export function logTrimmed(first: number): DomainError {
  return new DomainError(
    'OUT_OF_RANGE',
    'LOG_TRIMMED',
    'changes after this position are no longer kept: begin anew with what is there now',
    { metadata: { first: String(first) } },
  );
}

export const changeLog = token<ChangeLog>('log');

/** Events, until they are trimmed. `seq` is null from the commit until the order is made. */
export const changesTable = defineTable({
  name: 'changes',
  columns: {
    id: uuid(),
    seq: int64({ nullable: true }),
    transaction: uuid(),
    scope: text({ maxLength: 200 }),
    revision: int64(),
    ordinal: int64(),
    time: timestamp(),
    actor: text({ nullable: true, maxLength: 200 }),
    entity: text({ maxLength: 50 }),
    entity_id: text({ maxLength: 200 }),
    kind: text({ maxLength: 20 }),
    fields: json(),
    after: json({ nullable: true }),
    context: json({ nullable: true }),
  },
  primaryKey: ['id'],
  unique: { changes_seq: ['seq'], changes_scope: ['scope', 'revision', 'ordinal'] },
});

/** Who changed which field from what to what, for ever. */
export const historyTable = defineTable({
  name: 'history',
  columns: {
    id: uuid(),
    entity: text({ maxLength: 50 }),
    entity_id: text({ maxLength: 200 }),
    scope: text({ maxLength: 200 }),
    revision: int64(),
    ordinal: int64(),
    time: timestamp(),
    actor: text({ nullable: true, maxLength: 200 }),
    kind: text({ maxLength: 20 }),
    /** The names of the changed fields. */
    fields: json(),
    /** A list of what each field was, null where none had a value: a created entity. */
    before: json({ nullable: true }),
    /** The same for what they are now. */
    after: json({ nullable: true }),
  },
  primaryKey: ['id'],
  indexes: { history_entity: ['entity', 'entity_id', 'time'] },
});
