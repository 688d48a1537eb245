import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { changesTable } from '../../core/contracts/log.ts';
import { Restart, type WriteTransaction } from '../../core/contracts/store.ts';
import { uuidv7 } from '../../core/lib/uuid.ts';
import {
  accounts,
  allRows,
  event,
  fixtureTables,
  gate,
  insertAccount,
  insertItems,
  item,
  items,
  refuses,
  times,
} from '../../core/testing/store/fixtures.ts';
import { DatabaseError, type DatabaseErrorKind } from '../../plugins/storage-sql/database.ts';
import type { SqlDialect } from '../../plugins/storage-sql/statement.ts';
import { SqlStore } from '../../plugins/storage-sql/store/sql-store.ts';
import { MOST_PENDING } from '../../plugins/storage-sql/store/sql-write.ts';
import { type CountedTransaction, CountingDatabase } from './counting-database.ts';
import { type FailurePoint, failingDatabase } from './failing-database.ts';
import { holdingDatabase } from './holding-database.ts';
import type { OpenOptions, OpenSqlStore, OpenStore } from './sql-stores.ts';

/** What the SQL stores do beyond the contract of all: how they buffer, queue, run again and tell the time. */
export function sqlStoreTests(dialect: SqlDialect, open: OpenSqlStore): void {
  const withStore = async (test: (subject: OpenStore) => Promise<void>, options: OpenOptions = {}) => {
    const subject = await open(fixtureTables, options);
    try {
      await test(subject);
    } finally {
      await subject.close();
    }
  };
  const counted = async (test: (subject: OpenStore, database: CountingDatabase) => Promise<void>) => {
    let counting: CountingDatabase | undefined;
    const wrap: OpenOptions['wrap'] = (database) => (counting = new CountingDatabase(database));
    await withStore((subject) => test(subject, counting!), { wrap });
  };

  describe(`store '${dialect}': writes that are sent late`, () => {
    it('pass keys on from row to row in the order of the writes', () =>
      withStore(async ({ store }) => {
        const [a, b, c] = await insertItems(store, [{ name: 'a' }, { name: 'b' }, { name: 'c' }]);
        await store.write(async (tx) => {
          const table = tx.table(items);
          await table.update(a!.id, { name: 'x' });
          await table.update(b!.id, { name: 'a' });
          await table.update(a!.id, { name: 'b' });
          await table.delete(c!.id);
          await table.insert(item({ name: 'c', rank: 1 }));
        });
        const rows = await allRows(store, items, { orderBy: { columns: ['name'] } });
        assert.deepEqual(
          rows.map(({ id, name }) => (id === a!.id ? `${name} of a` : id === b!.id ? `${name} of b` : name)),
          ['a of b', 'b of a', 'c'],
        );
      }));

    it('refuse a key that a row had when it was taken, though it gives it up later', () =>
      withStore(async ({ store }) => {
        const [row] = await insertItems(store, [{ name: 'a' }]);
        const write = store.write(async (tx) => {
          await tx.table(items).insert(item({ name: 'a' }));
          await tx.table(items).delete(row!.id);
        });
        await refuses(write, 'already_exists', 'item_name');
      }));

    it('name the key that is taken, whatever else was asked for behind them', () =>
      withStore(async ({ store }) => {
        const scope = await insertAccount(store);
        await insertItems(store, [{ name: 'a' }]);
        const write = store.write(async (tx) => {
          await tx.table(items).insert(item({ name: 'a' }));
          await Promise.all([
            tx.table(items).count(),
            tx.table(accounts).get(scope),
            tx.table(accounts).lock(scope, 'update'),
          ]);
        });
        await refuses(write, 'already_exists', 'item_name');
      }));

    it('are seen by conditions that look into another table', () =>
      withStore(async ({ store }) => {
        const owner = await insertAccount(store);
        await insertItems(store, [{ name: 'a', owner }]);
        await store.write(async (tx) => {
          const where = { op: 'exists', table: accounts, on: { id: 'owner' } } as const;
          assert.equal(await tx.table(items).count({ where }), 1);
          await tx.table(accounts).delete(owner);
          assert.equal(await tx.table(items).count({ where: { op: 'or', all: [where] } }), 0);
        });
      }));

    it('are of a row as it is, whichever answer comes first: that of very many sent, or that of its lock', async () => {
      const held = { sent: gate(), locked: gate(), answered: gate() };
      const wrap: OpenOptions['wrap'] = (database) =>
        holdingDatabase(database, ({ sql }) => {
          if (!sql.includes(items.name)) return undefined;
          if (/^(INSERT|WITH)/.test(sql)) return held.sent.opened;
          held.answered.open();
          return held.locked.opened;
        });
      await withStore(
        async ({ store }) => {
          held.sent.open();
          held.locked.open();
          const [row] = await insertItems(store, [{ rank: 0 }]);
          for (let turns = -8; turns <= 8; turns++) {
            Object.assign(held, { sent: gate(), locked: gate(), answered: gate() });
            const [first, second] = turns < 0 ? [held.sent, held.locked] : [held.locked, held.sent];
            await store.write(async (tx) => {
              const table = tx.table(items);
              for (let i = 1; i < MOST_PENDING[dialect]; i++) await table.insert(item());
              const both = Promise.all([table.insert(item()), table.increment(row!.id, { rank: 1 })]);
              await held.answered.opened;
              await setImmediate();
              first.open();
              for (let i = 0; i < Math.abs(turns); i++) await undefined;
              second.open();
              await both;
            });
          }
          assert.equal((await store.read((tx) => tx.table(items).get(row!.id)))?.rank, 17);
        },
        { wrap },
      );
    });

    it('are right in a transaction of very many, with a statement for a thousand in PostgreSQL', () =>
      counted(async ({ store }, database) => {
        const ids = await store.write(async (tx) => {
          const rows = [];
          for (let i = 0; i < 2_500; i++) rows.push(await tx.table(items).insert(item({ rank: i, body: `word${i}` })));
          return rows.map(({ id }) => id);
        });
        if (dialect === 'postgres') assert.equal(database.take().transactions[0]!.statements.length, 3);
        await store.write(async (tx) => {
          for (const id of ids.slice(0, 5)) await tx.table(items).update(id, { body: 'other' });
          for (const id of ids.slice(5, 10)) await tx.table(items).delete(id);
        });
        assert.equal(await store.read((tx) => tx.table(items).count()), 2_495);
        const found = (query: string) => store.read((tx) => tx.table(items).count({ where: { op: 'text', query } }));
        assert.deepEqual([await found('word'), await found('other')], [2_490, 5]);
      }));
  });

  describe(`store '${dialect}': very many events of one transaction`, () => {
    it('are of one revision of their scope, and follow those of a commit that failed without a gap', async () => {
      let fails = true;
      const wrap: OpenOptions['wrap'] = (database) =>
        failingDatabase(database, (point) => {
          if (point !== 'commit' || !fails) return undefined;
          return new DatabaseError('unavailable', 'as the test wants it');
        });
      await withStore(
        async ({ store }) => {
          fails = false;
          const scope = await insertAccount(store);
          const change = (count: number) =>
            store.write(async (tx) => {
              for (let i = 0; i < count; i++) {
                assert.equal((await tx.emit(accounts, scope, event({ history: false }))).revision, 1);
                await tx.table(accounts).increment(scope, { balance: 1 });
              }
            });
          fails = true;
          await refuses(change(3), 'unavailable');
          fails = false;
          await change(1_100);
          const account = (await store.read((tx) => tx.table(accounts).get(scope)))!;
          assert.deepEqual([account.balance, account.revision], [1_100, 1]);
          const changes = await allRows(store, changesTable, { limit: 1_000 });
          assert.deepEqual(
            changes.map(({ ordinal, seq }) => [ordinal, seq]),
            times(1_100, (i) => [i, dialect === 'sqlite' ? i + 1 : null]),
          );
        },
        { wrap },
      );
    });
  });

  describe(`store '${dialect}': what it asks of the database`, () => {
    it('is one statement without a transaction for a read of one', () =>
      counted(async ({ store }, database) => {
        const [row] = await insertItems(store, [{}]);
        database.take();
        await store.read((tx) => tx.table(items).get(row!.id));
        await store.read((tx) => tx.table(items).find({ limit: 1 }));
        const { alone, transactions } = database.take();
        assert.deepEqual([alone.length, transactions.length], [2, 0]);
        await store.read(async (tx) => [await tx.table(items).get(row!.id), await tx.table(items).count()]);
        assert.equal(database.take().transactions.length, 1);
      }));

    it('is no transaction for a write that only reads, and one from the first lock on', () =>
      counted(async ({ store }, database) => {
        const [row] = await insertItems(store, [{}]);
        database.take();
        await store.write((tx) => tx.table(items).get(row!.id));
        assert.equal(database.take().transactions.length, 0);
        await store.write(async (tx) => {
          await tx.table(items).get(row!.id);
          await tx.table(items).lock(row!.id, 'share');
        });
        const { alone, transactions } = database.take();
        assert.deepEqual([alone.length, transactions.length], [1, 1]);
      }));

    it('is one round trip for locks and reads that are asked for together, and one for all writes', () =>
      counted(async ({ store }, database) => {
        const [row] = await insertItems(store, [{}]);
        const scope = await insertAccount(store);
        database.take();
        await store.write(async (tx) => {
          const [account, before, count] = await Promise.all([
            tx.table(accounts).lock(scope, 'update'),
            tx.table(items).lock(row!.id, 'share'),
            tx.table(items).count(),
          ]);
          assert.deepEqual([account?.id, before, count], [scope, row, 1]);
          await tx.table(accounts).increment(scope, { balance: 1 });
          const inserted = await tx.table(items).insert(item());
          await tx.emit(accounts, scope, event({ entityId: inserted.id }));
          await tx.emit(accounts, scope, event());
        });
        const { alone, transactions } = database.take();
        const [{ statements, roundTrips, isCommitted }] = transactions as [CountedTransaction];
        assert.deepEqual([alone.length, transactions.length, isCommitted], [0, 1, true]);
        if (dialect === 'sqlite') return;
        assert.equal(roundTrips, 2);
        assert.deepEqual(
          statements.map(({ sql }) => /FOR UPDATE|FOR SHARE|select count|WITH|$/.exec(sql)?.[0]),
          ['FOR UPDATE', 'FOR SHARE', 'select count', 'WITH'],
        );
      }));
  });

  describe(`store '${dialect}': rows that were found and are changed one after the other`, () => {
    it('are locked together, in few statements', () =>
      counted(async ({ store }, database) => {
        await insertItems(
          store,
          times(300, (i) => ({ rank: i })),
        );
        database.take();
        await store.write(async (tx) => {
          const table = tx.table(items);
          const query = { orderBy: { columns: ['rank'] }, limit: 100 };
          for (let page = await table.find(query); ; page = await table.find({ ...query, after: page.next })) {
            for (const row of page.rows) await table.update(row.id, { kind: `k${row.rank}` });
            if (page.next === undefined) break;
          }
        });
        const { transactions, alone } = database.take();
        if (dialect === 'postgres')
          assert.ok(transactions[0]!.statements.length < 20, `${transactions[0]!.statements.length}`);
        assert.equal(alone.length, 1, 'the first page was found before the first lock');
        const rows = await allRows(store, items, { orderBy: { columns: ['rank'] } });
        assert.deepEqual(
          rows.map(({ kind, version }) => [kind, version]),
          times(300, (i) => [`k${i}`, 2]),
        );
      }));

    it('are as they are when they are locked, not as they were found', () =>
      withStore(async ({ store }) => {
        const found = await insertItems(
          store,
          times(20, (i) => ({ rank: i })),
        );
        await store.write(async (tx) => {
          const { rows } = await tx.table(items).find({ orderBy: { columns: ['rank'] } });
          await store.write(async (other) => {
            await other.table(items).update(found[5]!.id, { kind: 'other' });
            await other.table(items).delete(found[6]!.id);
          });
          for (const row of rows) {
            const changing = tx.table(items).increment(row.id, { rank: 100 });
            if (row.rank === 6) await refuses(changing, 'not_found');
            else assert.equal((await changing).kind, row.rank === 5 ? 'other' : null);
          }
        });
        assert.equal(await store.read((tx) => tx.table(items).count()), 19);
      }));
  });

  describe(`store '${dialect}': the time of a write`, () => {
    it('is later than that of the last event in a scope, whatever the clock says', () => {
      let now = 5_000_000;
      return withStore(
        async ({ store }) => {
          const scope = await insertAccount(store);
          const time = (earlier: boolean) =>
            store.write(async (tx) => {
              const before = earlier ? tx.now : undefined;
              await tx.table(accounts).lock(scope, 'update');
              await tx.emit(accounts, scope, event());
              assert.ok(before === undefined || before === tx.now);
              return tx.now;
            });
          const first = await time(false);
          now = 1_000_000;
          const [second, third] = [await time(false), await time(true)];
          assert.ok(first < second && second < third, `${first} ${second} ${third}`);
        },
        { clock: { now: () => now } },
      );
    });

    it('is later than that of an instance whose clock is ahead, for every scope in which that one told of a change', () =>
      withStore(
        async ({ store, database }) => {
          const scope = await insertAccount(store);
          const made = await store.write(async (tx) => {
            const { id } = await tx.table(accounts).insert({ id: uuidv7(), balance: 0, revision: 0 });
            for (const each of [scope, id]) await tx.emit(accounts, each, event());
            return { id, now: tx.now };
          });
          for (const each of [scope, made.id]) {
            const behind = new SqlStore({ kind: dialect, shared: database.shared, clock: { now: () => 1_000_000 } });
            behind.open(database, fixtureTables, store.id);
            const now = await behind.write(async (tx) => {
              await tx.table(accounts).lock(each, 'update');
              return tx.now;
            });
            assert.equal(now, made.now + 1);
          }
        },
        { clock: { now: () => 9_000_000 } },
      ));

    it('is found anew when a scope turns out to be later: another instance has a clock that is ahead', () =>
      withStore(async ({ store, database }) => {
        const scope = await insertAccount(store);
        const ahead = Date.now() * 1000 + 60_000_000;
        const session = database.session(new AbortController().signal);
        await session.execute({ sql: `UPDATE "${accounts.name}" SET "$time" = ${ahead}`, parameters: [] });
        let runs = 0;
        const time = await store.write(async (tx) => {
          runs += 1;
          assert.ok(tx.now > 0);
          await tx.table(accounts).increment(scope, { balance: 1 });
          return tx.now;
        });
        assert.deepEqual([runs, time > ahead], [2, true]);
        assert.equal((await store.read((tx) => tx.table(accounts).get(scope)))?.balance, 1);
      }));
  });

  describe(`store '${dialect}': runs`, () => {
    const failing = async (
      failures: readonly (readonly [FailurePoint, DatabaseErrorKind])[],
      test: (subject: OpenStore, rollbacks: () => number) => Promise<void>,
    ) => {
      const left = [...failures];
      let failing: ReturnType<typeof failingDatabase> | undefined;
      const wrap: OpenOptions['wrap'] = (database) => {
        failing = failingDatabase(database, (point) => {
          if (left[0]?.[0] !== point) return undefined;
          return new DatabaseError(left.shift()![1], 'as the test wants it');
        });
        return failing;
      };
      await withStore((subject) => test(subject, () => failing!.rollbacks), { wrap });
    };
    const insertion = () => {
      const runs: WriteTransaction[] = [];
      const fn = async (tx: WriteTransaction) => {
        runs.push(tx);
        await tx.table(items).insert(item());
      };
      return { runs, fn };
    };
    const stored = ({ store }: OpenStore) => store.read((tx) => tx.table(items).count());

    it('begin again when the database wants it, in a new transaction', () =>
      failing(
        [
          ['statement', 'retry'],
          ['commit', 'retry'],
        ],
        async (subject, rollbacks) => {
          const { runs, fn } = insertion();
          await subject.store.write(fn);
          assert.deepEqual([new Set(runs).size, rollbacks(), await stored(subject)], [3, 2, 1]);
        },
      ));

    it('begin again also when the function hides why', () =>
      failing([['statement', 'retry']], async (subject) => {
        const { runs, fn } = insertion();
        await subject.store.write(async (tx) => {
          await tx
            .table(accounts)
            .lock('00000000-0000-7000-8000-000000000000', 'update')
            .catch(() => {});
          if (runs.length === 0) await fn(tx).catch(() => {});
          else await fn(tx);
        });
        assert.deepEqual([runs.length, await stored(subject)], [2, 1]);
      }));

    it('end after ten times', () =>
      failing(Array(30).fill(['statement', 'retry']), async (subject, rollbacks) => {
        const { runs, fn } = insertion();
        await refuses(subject.store.write(fn), 'unavailable');
        assert.deepEqual([runs.length, rollbacks()], [10, 10]);
      }));

    it('end at the deadline', () =>
      failing(Array(30).fill(['statement', 'retry']), async (subject) => {
        const { runs, fn } = insertion();
        await refuses(subject.store.write(fn, { timeoutMs: 20 }), 'unavailable');
        assert.ok(runs.length < 10, `${runs.length}`);
      }));

    it('do not begin again when they are called off between two runs', async () => {
      const called = new AbortController();
      let fails = true;
      const wrap: OpenOptions['wrap'] = (database) => {
        const failing = failingDatabase(database, (point) => {
          if (point !== 'commit' || !fails) return undefined;
          fails = false;
          return new DatabaseError('retry', 'as the test wants it');
        });
        return {
          ...failing,
          async begin(mode, signal) {
            const transaction = await failing.begin(mode, signal);
            const rollback = async () => {
              await transaction.rollback();
              // Before the next run, which no earlier timer is for.
              setTimeout(() => called.abort());
            };
            return { ...transaction, rollback };
          },
        };
      };
      await withStore(
        async (subject) => {
          const { runs, fn } = insertion();
          await refuses(subject.store.write(fn, { signal: called.signal }), 'unavailable');
          for (let looks = 0; looks < 50; looks++) assert.equal(await stored(subject), 0);
          assert.equal(runs.length, 1);
        },
        { wrap },
      );
    });

    it('are not repeated when the database was lost', () =>
      failing([['statement', 'unavailable']], async (subject, rollbacks) => {
        const { runs, fn } = insertion();
        await refuses(subject.store.write(fn), 'unavailable');
        assert.deepEqual([runs.length, rollbacks(), await stored(subject)], [1, 1, 0]);
      }));

    it('say that it may have been stored when the database was lost during the commit', () =>
      failing([['committed', 'unknown']], async (subject) => {
        const heard: unknown[] = [];
        subject.store.onCommit((committed) => heard.push(committed));
        const { runs, fn } = insertion();
        await assert.rejects(subject.store.write(fn), { kind: 'unavailable', message: /may have been stored/ });
        assert.deepEqual([runs.length, heard.length, await stored(subject)], [1, 0, 1]);
      }));

    it('say so too when the deadline passed meanwhile', async () => {
      const called = new AbortController();
      const wrap: OpenOptions['wrap'] = (database) =>
        failingDatabase(database, (point) => {
          if (point !== 'committed') return undefined;
          called.abort();
          return new DatabaseError('unknown', 'as the test wants it');
        });
      await withStore(
        async (subject) => {
          const write = subject.store.write(insertion().fn, { signal: called.signal });
          await assert.rejects(write, { kind: 'unavailable', message: /may have been stored/ });
          assert.equal(await stored(subject), 1);
        },
        { wrap },
      );
    });

    it('succeed when they were called off while they were stored', async () => {
      const called = new AbortController();
      const wrap: OpenOptions['wrap'] = (database) =>
        failingDatabase(database, (point) => {
          if (point === 'committed') called.abort();
          return undefined;
        });
      await withStore(
        async (subject) => {
          await subject.store.write(insertion().fn, { signal: called.signal });
          assert.deepEqual([called.signal.aborted, await stored(subject)], [true, 1]);
        },
        { wrap },
      );
    });

    it('that fail do not wait for what they have begun and not awaited', () =>
      withStore(async ({ store }) => {
        const scope = await insertAccount(store);
        const locked = gate();
        const release = gate();
        const holder = store.write(async (tx) => {
          await tx.table(accounts).lock(scope, 'update');
          locked.open();
          await release.opened;
        });
        await locked.opened;
        const failed = store.write(
          async (tx) => {
            tx.table(accounts)
              .lock(scope, 'update')
              .catch(() => {});
            throw new Error('mine');
          },
          { timeoutMs: 60_000 },
        );
        await assert.rejects(failed, { message: 'mine' });
        release.open();
        await holder;
      }));

    it('that fail with operations under way, or are called off wherever they wait, hold nothing any longer', () =>
      withStore(
        async ({ store }) => {
          const scope = await insertAccount(store);
          const [row] = await insertItems(store, [{}]);
          const together = (tx: WriteTransaction) => [
            tx.table(items).count(),
            tx.table(accounts).lock(scope, 'update'),
            tx.emit(accounts, scope, event()),
            tx.table(items).increment(row!.id, { rank: 1 }),
            tx.table(items).insert(item()),
          ];
          for (let i = 0; i < 12; i++) {
            const failed = store.write(async (tx) => {
              const begun = together(tx);
              for (const each of begun) each.catch(() => {});
              await begun[i % (begun.length + 1)];
              throw new Error('mine');
            });
            await assert.rejects(failed, { message: 'mine' });
          }
          const release = gate();
          const locked = gate();
          const holders = times(2, (i) =>
            store.write(async (tx) => {
              if (i === 0 || dialect === 'postgres') await tx.table(items).lock(row!.id, i === 0 ? 'update' : 'share');
              else await tx.table(accounts).get(scope);
              locked.open();
              await release.opened;
            }),
          );
          await locked.opened;
          const late = times(10, (i) =>
            store.write((tx) => Promise.all(i % 2 ? together(tx) : together(tx).slice(3)), { timeoutMs: 20 + i }),
          );
          await Promise.all(late.map((each) => refuses(each, 'unavailable')));
          release.open();
          await Promise.all(holders);
          const { rank } = (await store.read((tx) => tx.table(items).get(row!.id)))!;
          assert.equal(rank, 0);
          // All connections at the same time, and both places of the scope.
          const met = times(2, () => gate());
          await Promise.all(
            times(dialect === 'postgres' ? 2 : 1, (i) =>
              store.write(async (tx) => {
                await tx.table(items).insert(item());
                await tx.table(items).count();
                met[i]!.open();
                if (dialect === 'postgres') await met[1 - i]!.opened;
                await tx.table(accounts).increment(scope, { balance: 1 });
              }),
            ),
          );
        },
        { poolSize: 2 },
      ));

    it('tell no client what the database said', () =>
      failing([['statement', 'failed']], async ({ store }) => {
        await assert.rejects(store.write(insertion().fn), (error: Error) => error.name === 'Error');
      }));
  });

  describe(`store '${dialect}': many writers of one scope`, () => {
    it('leave connections to those of others', () =>
      withStore(
        async ({ store }) => {
          const [hot, other] = [await insertAccount(store), await insertAccount(store)];
          const locked = gate();
          const release = gate();
          const holder = store.write(async (tx) => {
            await tx.table(accounts).lock(hot, 'update');
            locked.open();
            await release.opened;
          });
          await locked.opened;
          const waiting = times(12, () => store.write((tx) => tx.table(accounts).increment(hot, { balance: 1 })));
          await store.read((tx) => tx.table(accounts).get(other));
          // SQLite has one writer, whatever it writes.
          if (dialect === 'postgres') await store.write((tx) => tx.table(accounts).increment(other, { balance: 1 }));
          release.open();
          await Promise.all([holder, ...waiting]);
          assert.equal((await store.read((tx) => tx.table(accounts).get(hot)))?.balance, 12);
        },
        { poolSize: 3 },
      ));

    it('wait for their turn until their deadline, and leave their place to the next', () =>
      withStore(async ({ store }) => {
        const scope = await insertAccount(store);
        const locked = gate();
        const release = gate();
        const holder = store.write(async (tx) => {
          await tx.table(accounts).lock(scope, 'update');
          locked.open();
          await release.opened;
        });
        await locked.opened;
        const change = (timeoutMs: number) =>
          store.write((tx) => tx.table(accounts).increment(scope, { balance: 1 }), { timeoutMs });
        const late = times(5, () => change(30));
        const patient = times(5, () => change(10_000));
        await Promise.all(late.map((each) => refuses(each, 'unavailable')));
        release.open();
        await Promise.all([holder, ...patient]);
        assert.equal((await store.read((tx) => tx.table(accounts).get(scope)))?.balance, 5);
      }));

    it('and of others in ascending order never wait for each other in a circle', () =>
      withStore(
        async ({ store }) => {
          const scopes: string[] = [];
          for (let i = 0; i < 4; i++) scopes.push(await insertAccount(store));
          scopes.sort();
          const writes = times(60, (i) =>
            store.write(async (tx) => {
              const mine = scopes.filter((_, s) => (i >> (s % 3)) % 2 === 0 || s === i % 4);
              for (const scope of mine) await tx.table(accounts).lock(scope, 'update');
              for (const scope of mine) await tx.emit(accounts, scope, event());
              if (i % 7 === 0) throw new Restart();
            }),
          );
          const results = await Promise.allSettled(writes);
          assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 51);
        },
        { poolSize: 4 },
      ));
  });
}
