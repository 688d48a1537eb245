import assert from 'node:assert/strict';
import { isDomainError } from '../../../core/contracts/errors.ts';
import { changesTable, historyTable } from '../../../core/contracts/log.ts';
import { range } from '../../../core/contracts/query.ts';
import type { Store } from '../../../core/contracts/store.ts';
import { Retention } from '../../../plugins/log/retention.ts';
import { change, openStore, scopes, startLog } from './support.ts';

const HOUR_MS = 3_600_000;
const { signal } = new AbortController();

/** So many transactions of so many events. */
async function fill(store: Store, id: string, transactions: number, events: number) {
  for (let n = 0; n < transactions; n++)
    await store.write(async (tx) => {
      await tx.table(scopes).lock(id, 'update');
      for (let i = 0; i < events; i++) await tx.emit(scopes, id, change(`${n}:${i}`));
    });
}

async function seqs(store: Store) {
  const { rows } = await store.read((tx) =>
    tx.table(changesTable).find({ where: range('seq', { gte: 0 }), orderBy: { columns: ['seq'] }, limit: 10_000 }),
  );
  return rows.map(({ seq }) => seq as number);
}

const trimmed = (first: number) => (error: unknown) =>
  isDomainError(error) &&
  error.code === 'OUT_OF_RANGE' &&
  error.reason === 'LOG_TRIMMED' &&
  error.metadata['first'] === `${first}`;

describe('the retention of the log', () => {
  let opened: Awaited<ReturnType<typeof openStore>>;
  beforeEach(async () => {
    opened = await openStore(1);
  });
  afterEach(() => opened.close());

  it('keeps so many of the newest events, in whole transactions, and all of the history', async () => {
    const { store, ids } = opened;
    await fill(store, ids[0]!, 400, 3);
    await new Retention(store, { maxAgeMs: HOUR_MS, maxEvents: 100 }).trim(signal);
    const kept = await seqs(store);
    assert.deepEqual([kept[0], kept.at(-1), kept.length], [1099, 1200, 102]);
    assert.equal(await store.read((tx) => tx.table(historyTable).count()), 1200);
  });

  it('keeps a transaction whole also where the limit and the end of a page of deletions go through it', async () => {
    const { store, ids } = opened;
    await fill(store, ids[0]!, 400, 3);
    await new Retention(store, { maxAgeMs: HOUR_MS, maxEvents: 700 }).trim(signal);
    assert.equal((await seqs(store))[0], 499);
  });

  it('deletes a transaction of more than a page at once or not at all, so that nobody gets half of it', async () => {
    const { store, ids } = opened;
    await fill(store, ids[0]!, 1, 1);
    await fill(store, ids[0]!, 2, 1201);
    await fill(store, ids[0]!, 1, 2);
    const firsts: number[] = [];
    for (const maxEvents of [2404, 2403, 1204, 1203, 3, 2]) {
      await new Retention(store, { maxAgeMs: HOUR_MS, maxEvents }).trim(signal);
      firsts.push((await seqs(store))[0]!);
    }
    assert.deepEqual(firsts, [2, 2, 2, 1203, 1203, 2404]);
  });

  it('shows nobody who reads meanwhile a part of a large transaction', async () => {
    const { store, ids } = opened;
    await fill(store, ids[0]!, 3, 1201);
    await fill(store, ids[0]!, 1, 1);
    const seen = new Set<number>();
    let isTrimming = true;
    const trimming = new Retention(store, { maxAgeMs: HOUR_MS, maxEvents: 1 }).trim(signal).finally(() => {
      isTrimming = false;
    });
    while (isTrimming) {
      seen.add((await seqs(store))[0]!);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await trimming;
    assert.deepEqual(await seqs(store), [3604]);
    for (const first of seen) assert.equal((first - 1) % 1201, 0, `${first} is the first`);
  });

  it('deletes nothing that is young enough, and the newest event never', async () => {
    const { store, ids } = opened;
    await fill(store, ids[0]!, 10, 1);
    await new Retention(store, { maxAgeMs: HOUR_MS, maxEvents: 1000 }).trim(signal);
    assert.equal((await seqs(store)).length, 10);
    await new Retention(store, { maxAgeMs: -HOUR_MS, maxEvents: 1000 }).trim(signal);
    assert.deepEqual(await seqs(store), [10]);
    await fill(store, ids[0]!, 1, 1);
    assert.deepEqual(await seqs(store), [10, 11]);
  });

  it('leaves it to another instance that is at it', async () => {
    const { store, ids } = opened;
    await fill(store, ids[0]!, 3, 1);
    await store.lease('log.trim', () => new Retention(store, { maxAgeMs: HOUR_MS, maxEvents: 1 }).trim(signal));
    assert.equal((await seqs(store)).length, 3);
  });

  it('refuses to read what is no longer kept, with the first that is, and reads from there on', async () => {
    const { store, ids } = opened;
    await fill(store, ids[0]!, 30, 1);
    const { log, stop } = await startLog(store);
    assert.equal((await log.read({ after: 0 })).length, 30);
    await new Retention(store, { maxAgeMs: HOUR_MS, maxEvents: 10 }).trim(signal);
    for (const after of [0, 5, 19]) await assert.rejects(log.read({ after }), trimmed(21), `${after}`);
    for (const after of [20, 21, 30, 31])
      assert.deepEqual(
        (await log.read({ after })).map(({ seq }) => seq),
        Array.from({ length: Math.max(30 - after, 0) }, (_, i) => after + i + 1),
      );
    await stop();
  });

  it('takes a gap in the order for no deletion where the event before it is there', async () => {
    const { store, ids } = opened;
    await fill(store, ids[0]!, 1, 1);
    const made = (await store.read((tx) => tx.table(changesTable).find())).rows[0]!;
    await store.write((tx) =>
      tx
        .table(changesTable)
        .restore({ ...made, id: made.id.replace(/.$/, (c) => (c === '0' ? '1' : '0')), scope: 'elsewhere/1', seq: 50 }),
    );
    const { log, stop } = await startLog(store);
    assert.deepEqual(
      (await log.read({ after: 1 })).map(({ seq }) => seq),
      [50],
    );
    await stop();
  });

  it('runs by itself, as often as the settings say', async () => {
    const { store, ids } = opened;
    await fill(store, ids[0]!, 50, 1);
    const { stop } = await startLog(store, { trimMs: 10, maxEvents: 5 });
    while ((await seqs(store)).length > 5) await new Promise((resolve) => setImmediate(resolve));
    await stop();
  });
});
