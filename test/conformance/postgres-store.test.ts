import { storeConformance } from '../../core/testing/store-conformance.ts';
import { storeModel } from '../../core/testing/store-model.ts';
import { postgres, type TestDatabase } from '../support/services/postgres.ts';
import { sqlStoreTests } from '../support/sql-store-tests.ts';
import { type OpenSqlStore, openPostgres } from '../support/sql-stores.ts';

describe('on a real server', () => {
  let database: TestDatabase | undefined;
  let opener: OpenSqlStore;
  before(async function () {
    this.timeout(60_000);
    const server = await postgres(this);
    database = await server.createDatabase();
    opener = openPostgres(server, database);
  });
  after(() => database?.drop());
  const open: OpenSqlStore = (tables, options) => opener(tables, options);

  storeConformance({ describe, it }, { name: 'postgres', open });
  storeModel({ describe, it }, { name: 'postgres', open });
  sqlStoreTests('postgres', open);
});
