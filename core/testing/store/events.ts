import assert from 'node:assert/strict';
import { type ChangeEvent, type Committed, changesTable, historyTable } from '../../contracts/log.ts';
import { eq } from '../../contracts/query.ts';
import type { Store } from '../../contracts/store.ts';
import { uuidv7 } from '../../lib/uuid.ts';
import { accounts, allRows, event, insertAccount, item, items, refuses, type StoreSuite, times } from './fixtures.ts';

const emit = (store: Store, scope: string, values?: Partial<ChangeEvent>) =>
  store.write((tx) => tx.emit(accounts, scope, event(values)));

const changesOf = (store: Store, scope: string) =>
  allRows(store, changesTable, {
    where: eq('scope', `${accounts.name}/${scope}`),
    orderBy: { columns: ['revision', 'ordinal'] },
    limit: 50,
  });

export const events: StoreSuite = {
  async 'stores an event with the change that it describes, and its history'({ store }) {
    const scope = await insertAccount(store);
    const entityId = uuidv7();
    const changes = [
      { field: 'name', from: null, to: 'x' },
      { field: 'tags', from: ['a'], to: { b: [1] } },
    ];
    const { now, revision } = await store.write(async (tx) => {
      const { revision } = await tx.emit(
        accounts,
        scope,
        event({
          entityId,
          kind: 'CREATED',
          actor: 'someone',
          changes,
          after: { id: entityId, n: [1, null] },
          context: { counts: { open: 1 } },
        }),
      );
      return { now: tx.now, revision };
    });
    assert.equal(revision, 1);
    const [change, ...others] = await changesOf(store, scope);
    assert.equal(others.length, 0);
    const { id, seq, transaction, version, ...rest } = change!;
    const same = {
      scope: `${accounts.name}/${scope}`,
      revision: 1,
      ordinal: 0,
      time: now,
      actor: 'someone',
      entity: 'thing',
      entity_id: entityId,
      kind: 'CREATED',
    };
    assert.deepEqual(rest, {
      ...same,
      fields: ['name', 'tags'],
      after: { id: entityId, n: [1, null] },
      context: { counts: { open: 1 } },
    });
    assert.ok(transaction.length === 36 && version === 1 && (seq === null || seq > 0));
    const history = await allRows(store, historyTable, {
      where: { op: 'and', all: [eq('entity', 'thing'), eq('entity_id', entityId)] },
      orderBy: { columns: ['time'] },
    });
    assert.deepEqual(
      history.map((row) => ({ ...row })),
      [{ ...same, id, fields: ['name', 'tags'], before: [null, ['a']], after: ['x', { b: [1] }], version: 1 }],
    );
  },

  async 'stores no history for an event that says that another has it'({ store }) {
    const [a, b] = [await insertAccount(store), await insertAccount(store)];
    const entityId = uuidv7();
    await store.write(async (tx) => {
      await tx.emit(accounts, a, event({ entityId, history: false }));
      await tx.emit(accounts, b, event({ entityId }));
    });
    assert.deepEqual([(await changesOf(store, a)).length, (await changesOf(store, b)).length], [1, 1]);
    const history = await allRows(store, historyTable, {
      where: { op: 'and', all: [eq('entity', 'thing'), eq('entity_id', entityId)] },
      orderBy: { columns: ['time'] },
    });
    assert.deepEqual(
      history.map(({ scope }) => scope),
      [`${accounts.name}/${b}`],
    );
  },

  async 'stores null for what an event does not say'({ store }) {
    const scope = await insertAccount(store);
    await emit(store, scope);
    const [change] = await changesOf(store, scope);
    assert.deepEqual([change!.actor, change!.fields, change!.after, change!.context], [null, [], null, null]);
  },

  async 'takes one revision for each transaction and scope, without a gap, and numbers the events in it'({ store }) {
    const [a, b] = [await insertAccount(store), await insertAccount(store)];
    await emit(store, a);
    const revisions = await store.write(async (tx) => {
      const taken: number[] = [];
      for (const scope of [a, b, a, a]) taken.push((await tx.emit(accounts, scope, event())).revision);
      return taken;
    });
    assert.deepEqual(revisions, [2, 1, 2, 2]);
    await emit(store, a);
    const changes = await changesOf(store, a);
    assert.deepEqual(
      changes.map(({ revision, ordinal }) => [revision, ordinal]),
      [
        [1, 0],
        [2, 0],
        [2, 1],
        [2, 2],
        [3, 0],
      ],
    );
    assert.equal(new Set(changes.slice(1, 4).map(({ transaction }) => transaction)).size, 1);
    assert.equal(new Set(changes.map(({ transaction }) => transaction)).size, 3);
    assert.equal(new Set(changes.map(({ id }) => id)).size, 5);
    const row = await store.read((tx) => tx.table(accounts).get(a));
    assert.deepEqual([row!.revision, row!.version], [3, 1], 'the revision is not the version');
  },

  async 'gives events ids in the order of time, the transaction and its events'({ store }) {
    const scopes = [await insertAccount(store), await insertAccount(store)].sort();
    for (let i = 0; i < 5; i++)
      await store.write(async (tx) => {
        for (const scope of scopes) await tx.table(accounts).lock(scope, 'update');
        for (let n = 0; n < 4; n++) await tx.emit(accounts, scopes[n % 2]!, event({ actor: `${i} ${n}` }));
      });
    const byId = await allRows(store, changesTable, {});
    assert.deepEqual(
      byId.map(({ actor }) => actor),
      times(20, (i) => `${Math.floor(i / 4)} ${i % 4}`),
    );
    // To the microsecond: the milliseconds, the version, and 12 bits.
    for (const { id, time } of byId)
      assert.equal(
        Number.parseInt(id.slice(0, 13).replace('-', ''), 16) * 1000 + Number.parseInt(id.slice(15, 18), 16),
        time,
      );
  },

  async 'leaves no revision, event or history of a transaction that is rolled back'({ store }) {
    const scope = await insertAccount(store);
    await assert.rejects(
      store.write(async (tx) => {
        await tx.emit(accounts, scope, event());
        throw new Error('rolled back');
      }),
      /rolled back/,
    );
    assert.deepEqual(await changesOf(store, scope), []);
    assert.equal(await store.read((tx) => tx.table(historyTable).count()), 0);
    assert.equal((await emit(store, scope)).revision, 1);
  },

  async 'keeps revisions without a gap under many writers, some of which fail'({ store }) {
    const scopes = [await insertAccount(store), await insertAccount(store), await insertAccount(store)].sort();
    const results = await Promise.allSettled(
      times(45, (i) =>
        store.write(async (tx) => {
          const mine = scopes.filter((_, s) => (i + s) % 3 !== 0);
          for (const scope of mine) await tx.table(accounts).lock(scope, 'update');
          for (const scope of mine) await tx.emit(accounts, scope, event());
          await tx.table(items).insert(item({ name: `name ${i % 30}` }));
        }),
      ),
    );
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 30);
    for (const scope of scopes) {
      const changes = await changesOf(store, scope);
      assert.deepEqual(
        changes.map(({ revision }) => revision),
        times(changes.length, (i) => i + 1),
      );
    }
  },

  async 'orders the events of all scopes as they were committed, where it orders them'({ store }) {
    const scopes = [await insertAccount(store), await insertAccount(store)].sort();
    await assert.rejects(
      store.write(async (tx) => {
        await tx.emit(accounts, scopes[0]!, event());
        throw new Error('rolled back');
      }),
    );
    for (let i = 0; i < 6; i++)
      await store.write(async (tx) => {
        for (const scope of i % 3 === 0 ? scopes : [scopes[i % 2]!]) await tx.emit(accounts, scope, event());
      });
    const all = await allRows(store, changesTable, { orderBy: { columns: ['seq'] } });
    if (all.every(({ seq }) => seq === null)) return;
    assert.deepEqual(
      all.map(({ seq }) => seq),
      times(8, (i) => i + 1),
    );
    assert.deepEqual(
      all.map(({ time }) => time),
      all.map(({ time }) => time).toSorted((a, b) => a - b),
    );
    for (const scope of scopes) {
      const revisions = all.filter((row) => row.scope.endsWith(scope)).map(({ revision }) => revision);
      assert.deepEqual(
        revisions,
        revisions.toSorted((a, b) => a - b),
      );
    }
  },

  async 'says not_found to an event in a scope that does not exist'({ store }) {
    await refuses(emit(store, uuidv7()), 'not_found');
    assert.equal(await store.read((tx) => tx.table(changesTable).count()), 0);
  },

  async 'leaves nothing of an event in a scope that does not exist when the function goes on'({ store }) {
    const id = uuidv7();
    const heard: Committed[] = [];
    store.onCommit((committed) => heard.push(committed));
    await store.write(async (tx) => {
      await refuses(tx.emit(accounts, id, event()), 'not_found');
      await tx.table(items).insert(item());
    });
    assert.equal(heard.length, 0, 'no event was stored');
    const { revision } = await store.write(async (tx) => {
      await refuses(tx.emit(accounts, id, event()), 'not_found');
      await tx.table(accounts).insert({ id, balance: 0, revision: 0 });
      return tx.emit(accounts, id, event({ entityId: id }));
    });
    assert.equal(revision, 1);
    const changes = await changesOf(store, id);
    assert.deepEqual(
      changes.map(({ revision, ordinal, entity_id }) => [revision, ordinal, entity_id]),
      [[1, 0, id]],
    );
    assert.ok(changes[0]!.seq === null || changes[0]!.seq === 1);
    assert.equal(await store.read((tx) => tx.table(historyTable).count()), 1);
    assert.equal(await store.read((tx) => tx.table(items).count()), 1);
  },

  async 'stores nothing of a transaction with an event that cannot be stored'({ store }) {
    const scope = await insertAccount(store);
    const write = store.write(async (tx) => {
      await tx.table(items).insert(item());
      await tx.emit(accounts, scope, event({ entity: 'x'.repeat(51) })).catch(() => {});
    });
    await refuses(write, 'invalid');
    assert.equal((await store.read((tx) => tx.table(accounts).get(scope)))?.revision, 0);
    assert.equal(await store.read((tx) => tx.table(items).count()), 0);
    assert.equal((await emit(store, scope)).revision, 1);
  },

  async 'refuses a scope in a table without revisions'({ store }) {
    await refuses(
      store.write((tx) => tx.emit(items, uuidv7(), event())),
      'invalid',
    );
  },

  async 'tells listeners of each commit with events, before the write settles, in order'({ store }) {
    const scope = await insertAccount(store);
    const heard: Committed[] = [];
    const end = store.onCommit((committed) => heard.push(committed));
    const entityId = uuidv7();
    await emit(store, scope, { entityId });
    assert.equal(heard.length, 1);
    assert.deepEqual(heard[0]!.changes, [{ entity: 'thing', entityId, scope: `${accounts.name}/${scope}` }]);
    await store.write((tx) => tx.table(accounts).increment(scope, { balance: 1 }));
    await assert.rejects(
      store.write(async (tx) => {
        await tx.emit(accounts, scope, event());
        throw new Error('rolled back');
      }),
    );
    assert.equal(heard.length, 1, 'neither a commit without events nor a rollback is told');
    const ids = times(5, () => uuidv7());
    await Promise.all(ids.map((id) => emit(store, scope, { entityId: id })));
    const changes = await changesOf(store, scope);
    assert.deepEqual(
      heard.map((committed) => committed.changes[0]!.entityId),
      changes.map((change) => change.entity_id),
    );
    for (const [i, { seq }] of heard.entries()) assert.equal(seq, changes[i]!.seq);
    end();
    await emit(store, scope);
    assert.equal(heard.length, 6);
  },

  async 'continues the order of restored events'({ store }) {
    const scope = await insertAccount(store);
    await emit(store, scope);
    const [made] = await changesOf(store, scope);
    const restored = { ...made!, id: uuidv7(), scope: `${accounts.name}/elsewhere`, seq: 1_000, version: 2 };
    await store.write((tx) => tx.table(changesTable).restore(restored));
    assert.deepEqual(await store.read((tx) => tx.table(changesTable).get(restored.id)), restored);
    await emit(store, scope);
    const after = (await changesOf(store, scope)).at(-1)!;
    assert.ok(after.seq === null || after.seq > 1_000);
  },

  async 'gives the events of a restored scope later times than the restored ones, whatever the clock says'({ store }) {
    const scope = await insertAccount(store);
    await emit(store, scope);
    const [made] = await changesOf(store, scope);
    const id = uuidv7();
    const ahead = made!.time + 3_600_000_000;
    await store.write(async (tx) => {
      const name = `${accounts.name}/${id}`;
      await tx.table(changesTable).restore({ ...made!, id: uuidv7(), scope: name, seq: 1_000, time: ahead });
      await tx.table(accounts).restore({ id, balance: 0, revision: 1, version: 1 });
    });
    await emit(store, id);
    const times = (await changesOf(store, id)).map(({ time }) => time);
    assert.equal(times.length, 2);
    assert.ok(times[1]! > ahead, `${times}`);
  },
};
