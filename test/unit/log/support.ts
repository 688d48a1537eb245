import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import type { Change, ChangeEvent } from '../../../core/contracts/log.ts';
import { type ChangeLog, changesTable, historyTable } from '../../../core/contracts/log.ts';
import type { Store } from '../../../core/contracts/store.ts';
import { defineTable, int64, uuid } from '../../../core/contracts/tables.ts';
import type { Transport } from '../../../core/contracts/transport.ts';
import { uuidv7 } from '../../../core/lib/uuid.ts';
import logPlugin from '../../../plugins/log/plugin.ts';
import { strictStorage } from '../../support/strict-store.ts';
import { setUp } from '../plugin-context.ts';

export const scopes = defineTable({
  name: 'test_scopes',
  columns: { id: uuid(), revision: int64() },
  primaryKey: ['id'],
  revision: 'revision',
});

/** memdb whose writes read, before they lock, what others may have changed since; with these scopes. */
export async function openStore(count: number): Promise<{ store: Store; ids: string[]; close(): Promise<void> }> {
  const { instance, release } = await setUp(strictStorage().plugin, { config: undefined });
  instance.start({
    tables: [scopes, changesTable, historyTable].map((value) => ({ plugin: 'test', value })),
  });
  const store: Store = instance.provides.store;
  const ids = Array.from({ length: count }, () => uuidv7()).sort();
  await store.write(async (tx) => {
    for (const id of ids) await tx.table(scopes).insert({ id, revision: 0 });
  });
  return { store, ids, close: release };
}

export async function startLog(store: Store, config: object = {}, transport?: Transport) {
  const { instance, release, log } = await setUp(logPlugin, { deps: { store, transport }, config });
  await instance.start({}, new AbortController().signal);
  return { log: instance.provides.changeLog as ChangeLog, lines: log.lines, stop: release };
}

export const change = (entityId: string): ChangeEvent => ({
  entity: 'thing',
  entityId,
  kind: 'UPDATED',
  actor: null,
  changes: [],
  after: null,
});

/** What a follower heard, and when it has heard so many. */
export function recorder() {
  const batches: (readonly Change[])[] = [];
  let count = 0;
  let waiting: { readonly count: number; readonly resolve: () => void } | undefined;
  return {
    batches,
    get all() {
      return batches.flat();
    },
    listener(changes: readonly Change[]) {
      batches.push(changes);
      count += changes.length;
      if (waiting && count >= waiting.count) waiting.resolve();
    },
    until(wanted: number): Promise<void> {
      return new Promise((resolve) => {
        if (count >= wanted) resolve();
        else waiting = { count: wanted, resolve };
      });
    },
  };
}

/** Numbers from 0 to below `below`, the same for the same seed. */
export function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** The clock of an instance, so many microseconds off. */
export const micros = (skew: number) => () =>
  Math.floor(performance.timeOrigin * 1000 + performance.now() * 1000) + skew;

/** One transaction in these scopes, with so many events; returns what it says of them. */
export function commit(
  store: Store,
  ids: readonly string[],
  names: readonly string[],
  { fail = false, delay = 0 } = {},
): Promise<void> {
  return store.write(async (tx) => {
    for (const id of ids) await tx.table(scopes).lock(id, 'update');
    for (const [i, name] of names.entries()) await tx.emit(scopes, ids[i % ids.length]!, change(name));
    if (delay > 0) await setTimeout(delay);
    if (fail) throw new Error('rolled back');
  });
}

/** That the log is what was committed: each event once, in order, whole transactions at a time. */
export function check(batches: readonly (readonly Change[])[], committed: ReadonlySet<string>): void {
  const all = batches.flat();
  assert.deepEqual(
    all.map(({ seq }) => seq),
    all.map((_, i) => i + 1),
  );
  assert.deepEqual(all.map(({ entityId }) => entityId).toSorted(), [...committed].sort());
  const last = new Map<string, readonly [revision: number, ordinal: number]>();
  for (const { scope, revision, ordinal, entityId } of all) {
    const [before, place] = last.get(scope) ?? [0, -1];
    if (revision === before) assert.equal(ordinal, place + 1, entityId);
    else assert.deepEqual([revision, ordinal], [before + 1, 0], entityId);
    last.set(scope, [revision, ordinal]);
  }
  const ended = new Set<string>();
  for (const batch of batches) {
    const inBatch = Map.groupBy(batch, ({ transaction }) => transaction);
    for (const [transaction, events] of inBatch) {
      assert.ok(!ended.has(transaction), 'a transaction came in two parts');
      ended.add(transaction);
      assert.equal(events.at(-1)!.seq - events[0]!.seq, events.length - 1, 'another transaction stands in between');
      assert.deepEqual(
        events.map(({ entityId }) => Number(entityId.split(':')[1])),
        events.map((_, i) => i),
      );
    }
  }
}

/** What the events of a transaction are about. */
export const namesOf = (transaction: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${transaction}:${i}`);
