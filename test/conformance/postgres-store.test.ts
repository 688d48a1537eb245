import assert from 'node:assert/strict';
import { fixtureTables, gate, insertItems, items } from '../../core/testing/store/fixtures.ts';
import { storeConformance } from '../../core/testing/store-conformance.ts';
import { storeHistories } from '../../core/testing/store-histories.ts';
import { storeModel } from '../../core/testing/store-model.ts';
import { postgres, type TestDatabase } from '../support/services/postgres.ts';
import { sqlStoreTests } from '../support/sql-store-tests.ts';
import { type OpenSqlStore, openPostgres } from '../support/sql-stores.ts';

describe('on a real server', () => {
  let database: TestDatabase | undefined;
  let opener: OpenSqlStore;
  before(async function () {
    const server = await postgres(this);
    database = await server.createDatabase();
    opener = openPostgres(server, database);
  });
  after(() => database?.drop());
  const open: OpenSqlStore = (tables, options) => opener(tables, options);

  storeConformance({ describe, it }, { name: 'postgres', open });
  storeModel({ describe, it }, { name: 'postgres', open });
  storeHistories({ describe, it }, { name: 'postgres', open });
  sqlStoreTests('postgres', open);

  it('runs one of two transactions again that wait for each other, and both are stored', async () => {
    const { store, close } = await open(fixtureTables);
    try {
      const rows = await insertItems(store, [{ rank: 0 }, { rank: 0 }]);
      const met = [gate(), gate()] as const;
      let runs = 0;
      const change = (first: number) =>
        store.write(async (tx) => {
          runs += 1;
          await tx.table(items).increment(rows[first]!.id, { rank: 1 });
          met[first]!.open();
          await met[1 - first]!.opened;
          await tx.table(items).increment(rows[1 - first]!.id, { rank: 1 });
        });
      await Promise.all([change(0), change(1)]);
      const ranks = (await store.read((tx) => tx.table(items).find())).rows.map(({ rank }) => rank);
      assert.deepEqual([runs, ranks], [3, [2, 2]]);
    } finally {
      await close();
    }
  });
});
