import assert from 'node:assert/strict';
import { changesTable, historyTable } from '../../core/contracts/log.ts';
import { eq, MAX_EXAMINED, matchesText, ne } from '../../core/contracts/query.ts';
import { Restart } from '../../core/contracts/store.ts';
import { type AnyTable, defineTable, int64, text } from '../../core/contracts/tables.ts';
import { gate, refuses, times } from '../../core/testing/store/fixtures.ts';
import { MemdbStore } from '../../plugins/storage-memdb/memdb-store.ts';
import type { MemdbRead, Version } from '../../plugins/storage-memdb/transaction.ts';
import type { Node } from '../../plugins/storage-memdb/tree.ts';

const rows = defineTable({
  name: 'rows',
  columns: { id: int64(), body: text(), code: text({ nullable: true }) },
  primaryKey: ['id'],
  unique: { row_code: ['code'] },
  indexes: { row_body: ['body'] },
  searchable: ['body'],
});
const others = defineTable({
  name: 'others',
  columns: { id: int64(), revision: int64() },
  primaryKey: ['id'],
  revision: 'revision',
});

const event = { entity: 'x', entityId: 'x', kind: 'UPDATED', actor: null, changes: [], after: null } as const;

function open(tables: readonly AnyTable[] = [rows, others, changesTable, historyTable]): MemdbStore {
  const store = new MemdbStore();
  store.open(tables);
  return store;
}

const insertRows = (store: MemdbStore, count: number, body = 'alpha') =>
  store.write(async (tx) => {
    for (let id = 1; id <= count; id++) await tx.table(rows).insert({ id, body });
  });

/** Runs it, and says how many turns the other work of the process had meanwhile. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  const tick = () => {
    turns++;
    ticker = setImmediate(tick);
  };
  let ticker = setImmediate(tick);
  try {
    await work();
  } finally {
    clearImmediate(ticker);
  }
  return turns;
}

/** What a transaction that begins now would see. */
const versionOf = (store: MemdbStore) => store.read(async (tx) => (tx as MemdbRead).version);

const nodesOf = (node: Node<unknown>): Node<unknown>[] => [node, ...(node.children ?? []).flatMap(nodesOf)];
const nodesOfTable = ({ tables }: Version, position: number) =>
  tables[position]!.indexes.flatMap((tree) => nodesOf(tree.root));
const postings = (store: MemdbStore) => store.read(async (tx) => (tx as MemdbRead).schema(rows).text!.size);

describe('memdb: writes in a loop', () => {
  it('let the other work of the process have its turns', async () => {
    const store = open();
    let turns = 0;
    let over = false;
    const other = () => {
      turns += 1;
      if (!over) setImmediate(other);
    };
    setImmediate(other);
    for (let id = 1; id <= 1_000; id += 1) await store.write((tx) => tx.table(rows).insert({ id, body: 'alpha' }));
    over = true;
    assert.ok(turns >= 20, `${turns} turns`);
  });
});

describe('memdb: snapshots', () => {
  it('takes a snapshot without copying anything', async () => {
    const store = open();
    await insertRows(store, 2_000);
    const before = await versionOf(store);
    const reads = await Promise.all(times(3, () => versionOf(store)));
    for (const version of reads) assert.equal(version, before);
  });

  it('shares with the snapshot before it all but the path to what changed', async () => {
    const store = open();
    await insertRows(store, 2_000);
    const before = await versionOf(store);
    const nodes = new Set(nodesOfTable(before, 0));
    await store.write((tx) => tx.table(rows).update(1_000, { body: 'beta' }));
    const after = await versionOf(store);
    const copied = nodesOfTable(after, 0).filter((node) => !nodes.has(node));
    assert.ok(nodes.size > 100, `${nodes.size} nodes`);
    assert.ok(copied.length <= 12, `${copied.length} of ${nodes.size} nodes were copied`);
    assert.equal(after.tables[1], before.tables[1], 'a table that was not written to is the same');
    assert.deepEqual(new Set(nodesOfTable(before, 0)), nodes, 'the snapshot has the nodes that it had');
  });

  it('forgets the words of old rows as soon as no open snapshot can see them', async () => {
    const store = open();
    await insertRows(store, 3);
    const looking = gate();
    const done = gate();
    const find = matchesText('alpha');
    const reader = store.read(async (tx) => {
      looking.open();
      await done.opened;
      return tx.table(rows).count({ where: find });
    });
    await looking.opened;
    await store.write((tx) => tx.table(rows).update(1, { body: 'beta' }));
    await store.write((tx) => tx.table(rows).delete(2));
    await store.write((tx) => tx.table(rows).update(1, { body: 'alpha' }));
    assert.ok((await postings(store)) > 2);
    done.open();
    assert.equal(await reader, 3);
    assert.equal(await postings(store), 2);
    assert.equal(await store.read((tx) => tx.table(rows).count({ where: find })), 2);
  });

  it('finds by a rare word what an open snapshot holds, also right after the commit that took the word away', async () => {
    const store = open();
    await insertRows(store, 200);
    await store.write((tx) => tx.table(rows).update(7, { body: 'rare' }));
    const looking = gate();
    const done = gate();
    const where = matchesText('rare');
    const reader = store.read(async (tx) => {
      looking.open();
      await done.opened;
      return (await tx.table(rows).find({ where })).rows.map(({ id }) => id);
    });
    await looking.opened;
    await store.write((tx) => tx.table(rows).update(7, { body: 'alpha' }));
    done.open();
    assert.deepEqual(await reader, [7]);
  });

  it('forgets the words of what was rolled back, and no others', async () => {
    const store = open();
    await insertRows(store, 3, 'alpha beta');
    let runs = 0;
    const write = (end: () => unknown, timeoutMs = 10_000) =>
      store.write(
        async (tx) => {
          await tx.table(rows).insert({ id: 9, body: 'alpha gamma' });
          await tx.table(rows).update(1, { body: 'alpha gamma' });
          await tx.table(rows).update(1, { body: 'beta' });
          await tx.table(rows).delete(2);
          assert.equal(await tx.table(rows).count({ where: matchesText('alpha') }), 2);
          assert.equal(await tx.table(rows).count({ where: matchesText('beta') }), 2);
          await end();
        },
        { timeoutMs },
      );
    await assert.rejects(write(() => Promise.reject(new Error('rolled back'))));
    assert.equal(await postings(store), 6);
    await refuses(
      write(() => new Promise(() => {}), 20),
      'unavailable',
    );
    assert.equal(await postings(store), 6);
    await write(() => {
      if (++runs < 3) throw new Restart();
    });
    assert.equal(await postings(store), 5);
    assert.equal(await store.read((tx) => tx.table(rows).count({ where: matchesText('alpha') })), 2);
  });
});

describe('memdb: the queue of writers', () => {
  it('runs writes one at a time, in the order of their arrival', async () => {
    const store = open();
    const events: string[] = [];
    await Promise.all(
      times(100, (i) =>
        store.write(async () => {
          events.push(`begin ${i}`);
          await Promise.resolve();
          events.push(`end ${i}`);
        }),
      ),
    );
    assert.deepEqual(events, times(100, (i) => [`begin ${i}`, `end ${i}`]).flat());
  });

  it('goes on in order when a writer overruns its deadline', async () => {
    const store = open();
    const order: string[] = [];
    const stuck = store.write(
      async (tx) => {
        await tx.table(rows).insert({ id: 1, body: 'stuck' });
        await new Promise(() => {});
      },
      { timeoutMs: 30 },
    );
    const next = times(3, (i) =>
      store.write(async (tx) => {
        order.push(`next ${i}`);
        await tx.table(rows).insert({ id: i + 2, body: 'next' });
      }),
    );
    await refuses(stuck, 'unavailable');
    await Promise.all(next);
    assert.deepEqual(order, ['next 0', 'next 1', 'next 2']);
    assert.deepEqual(await store.read((tx) => tx.table(rows).countBy(['body'])), [
      { group: { body: 'next' }, count: 3 },
    ]);
  });

  it('does not run a write whose deadline passes while it waits', async () => {
    const store = open();
    const release = gate();
    const first = store.write(() => release.opened);
    let ran = false;
    const late = store.write(
      async () => {
        ran = true;
      },
      { timeoutMs: 20 },
    );
    const last = store.write(async () => 'last');
    await refuses(late, 'unavailable');
    release.open();
    await first;
    assert.equal(await last, 'last');
    assert.equal(ran, false);
  });

  it('lets timers and input have a turn during a long queue', async () => {
    const store = open();
    const turns = await turnsDuring(() => Promise.all(times(1_000, () => store.write(async () => {}))));
    assert.ok(turns >= 20, `${turns} turns`);
  });

  it('lets timers and input have a turn during a write of very many rows, and its commit', async () => {
    const store = open();
    await store.write((tx) => tx.table(others).insert({ id: 1, revision: 0 }));
    await insertRows(store, 20_000, times(20, (i) => `word${i}`).join(' '));
    let turnsAtTheEnd = 0;
    const turns = await turnsDuring(async () => {
      await store.write(async (tx) => {
        for (let id = 1; id <= 20_000; id++) {
          await tx.table(rows).delete(id);
          await tx.emit(others, 1, event);
        }
      });
      turnsAtTheEnd = await turnsDuring(async () => {
        while ((await postings(store)) > 0) await new Promise(setImmediate);
      });
    });
    assert.ok(turns - turnsAtTheEnd >= 10, `${turns - turnsAtTheEnd} turns`);
    assert.ok(turnsAtTheEnd >= 3, `${turnsAtTheEnd} turns while the words were forgotten`);
  });

  it('keeps its place for a write that begins again', async () => {
    const store = open();
    const order: string[] = [];
    const again = store.write(async (tx) => {
      order.push(`first at ${await tx.table(rows).count()}`);
      await tx.table(rows).insert({ id: 1, body: 'x' });
      if (order.length < 3) throw new Restart();
    });
    const next = store.write(async (tx) => order.push(`next at ${await tx.table(rows).count()}`));
    await Promise.all([again, next]);
    assert.deepEqual(order, ['first at 0', 'first at 0', 'first at 0', 'next at 1']);
  });

  it('throws what lost a transaction again at every operation after it', async () => {
    const store = open();
    await insertRows(store, 1);
    const lost = store.write(async (tx) => {
      const table = tx.table(rows);
      await refuses(table.delete(7), 'not_found');
      assert.equal(await table.count(), 1);
      await refuses(table.insert({ id: 1, body: 'again' }), 'already_exists', 'primary');
      await refuses(table.get(1), 'already_exists', 'primary');
      await refuses(table.delete(1, { ifVersion: 9 }), 'already_exists', 'primary');
      await refuses(tx.emit(others, 1, event), 'already_exists', 'primary');
    });
    await refuses(lost, 'already_exists', 'primary');
    await refuses(
      store.write((tx) => tx.emit(rows, 1, event).catch(() => {})),
      'invalid',
    );
    await store.read(async (tx) => {
      await refuses(tx.table(rows).find({ limit: 0 }), 'invalid');
      assert.equal(await tx.table(rows).count(), 1, 'a read is not lost');
    });
  });
});

describe('memdb: queries', () => {
  it('examines no more rows for a page than the contract allows, and goes on from there', async () => {
    const store = open();
    await insertRows(store, MAX_EXAMINED + 10);
    await store.write((tx) => tx.table(rows).insert({ id: MAX_EXAMINED + 11, body: 'z' }));
    for (const descending of [false, true]) {
      const query = { where: ne('body', 'alpha'), orderBy: { columns: ['id'], descending } };
      const first = await store.read((tx) => tx.table(rows).find(query));
      assert.equal(first.rows.length, descending ? 1 : 0);
      const second = await store.read((tx) => tx.table(rows).find({ ...query, after: first.next! }));
      assert.equal(second.rows.length, descending ? 0 : 1);
      assert.equal(second.next, undefined);
    }
  });

  it('finds the row of a unique key behind more rows than it may examine, in any order', async () => {
    const store = open();
    await insertRows(store, MAX_EXAMINED + 10);
    const id = MAX_EXAMINED + 11;
    await store.write((tx) => tx.table(rows).insert({ id, body: 'alpha', code: 'x' }));
    const row = await store.read((tx) => tx.table(rows).get(id));
    const queries = [
      { where: eq('code', 'x') },
      { where: eq('code', 'x'), orderBy: { columns: ['body'] } },
      { where: eq('id', id), orderBy: { columns: ['body'] } },
    ];
    for (const query of queries) {
      const page = await store.read((tx) => tx.table(rows).find(query));
      assert.deepEqual({ ...page }, { rows: [row] });
    }
    await store.write((tx) => tx.table(rows).update(1, { code: 'y' }));
    const first = await store.read((tx) =>
      tx.table(rows).find({ where: eq('code', 'y'), orderBy: { columns: ['body'], descending: true } }),
    );
    assert.deepEqual([first.rows.length, first.next], [1, undefined]);
  });

  it('reads no more than the page of a large range in an index', async () => {
    const store = open();
    await insertRows(store, 3 * MAX_EXAMINED);
    const page = await store.read((tx) => tx.table(rows).find({ where: eq('body', 'alpha'), limit: 3 }));
    assert.deepEqual(
      page.rows.map(({ id }) => id),
      [1, 2, 3],
    );
    const { rows: found } = await store.read((tx) => tx.table(rows).find({ where: matchesText('alp'), limit: 3 }));
    assert.equal(found.length, 3);
  });
});

describe('memdb: commits', () => {
  it('gives the events of all scopes one order without a gap', async () => {
    const store = open();
    await store.write(async (tx) => {
      for (const id of [1, 2]) await tx.table(others).insert({ id, revision: 0 });
    });
    const heard: (number | null)[] = [];
    store.onCommit(({ seq }) => heard.push(seq));
    await Promise.allSettled(
      times(30, (i) =>
        store.write(async (tx) => {
          await tx.emit(others, 1 + (i % 2), event);
          await tx.emit(others, 1, event);
          if (i % 3 === 0) throw new Error('rolled back');
        }),
      ),
    );
    const { rows: changes } = await store.read((tx) =>
      tx.table(changesTable).find({ orderBy: { columns: ['seq'] }, limit: 100 }),
    );
    assert.deepEqual(
      changes.map(({ seq }) => seq),
      times(40, (i) => i + 1),
    );
    assert.deepEqual(
      heard,
      times(20, (i) => 2 * i + 2),
    );
  });

  it('says what is missing when events are emitted without the log plugin', async () => {
    const store = open([others]);
    await store.write((tx) => tx.table(others).insert({ id: 1, revision: 0 }));
    await assert.rejects(
      store.write((tx) => tx.emit(others, 1, event)),
      /emit needs the table 'changes', which the log plugin contributes/,
    );
  });

  it('stands by a commit whose listener throws, and tells the others', async () => {
    const failures: unknown[] = [];
    const store = new MemdbStore({ listenerFailed: (error) => failures.push(error) });
    store.open([others, changesTable, historyTable]);
    await store.write((tx) => tx.table(others).insert({ id: 1, revision: 0 }));
    let told = 0;
    store.onCommit(() => {
      throw new Error('listener');
    });
    store.onCommit(() => told++);
    assert.equal((await store.write((tx) => tx.emit(others, 1, event))).revision, 1);
    assert.equal((await store.write((tx) => tx.emit(others, 1, event))).revision, 2);
    assert.deepEqual([told, failures.length], [2, 2]);
  });

  it('never goes back in time when the clock does', async () => {
    let now = 5_000;
    const store = new MemdbStore({ clock: { now: () => now } });
    store.open([rows]);
    const time = () => store.write(async (tx) => tx.now);
    assert.equal(await time(), 5_000);
    now = 3_000;
    assert.equal(await time(), 5_001);
    assert.equal(await store.read(async (tx) => tx.now), 5_001);
    now = 9_000;
    assert.equal(await time(), 9_000);
  });
});

describe('memdb: leases', () => {
  it('gives a name to those who wait in the order of their arrival', async () => {
    const store = open();
    const order: number[] = [];
    await Promise.all(
      times(5, (i) =>
        store.lease('name', async () => {
          order.push(i);
        }),
      ),
    );
    assert.deepEqual(order, [0, 1, 2, 3, 4]);
  });
});

describe('memdb: from start to end', () => {
  it('says that it has not been started', async () => {
    const store = new MemdbStore();
    await assert.rejects(
      store.read((tx) => tx.table(rows).count()),
      /used before its start/,
    );
    await refuses(
      store.write(async () => {}),
      'unavailable',
    );
  });

  it('calls off what is running when it is closed', async () => {
    const store = open();
    const forever = () => new Promise<never>(() => {});
    const running = [
      store.write(forever),
      store.write(forever),
      store.read(forever),
      store.lease(
        'name',
        (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      ),
    ];
    const waiting = store.lease('name', forever);
    store.close();
    for (const each of [...running, waiting]) await refuses(each, 'unavailable');
  });

  it('is another store after each start', () => {
    assert.notEqual(new MemdbStore().id, new MemdbStore().id);
  });
});
