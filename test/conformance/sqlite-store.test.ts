import { storeConformance } from '../../core/testing/store-conformance.ts';
import { storeHistories } from '../../core/testing/store-histories.ts';
import { storeModel } from '../../core/testing/store-model.ts';
import { sqlStoreTests } from '../support/sql-store-tests.ts';
import { openSqlite } from '../support/sql-stores.ts';

storeConformance({ describe, it }, { name: 'sqlite', open: openSqlite });
storeModel({ describe, it }, { name: 'sqlite', open: openSqlite });
storeHistories({ describe, it }, { name: 'sqlite', open: openSqlite });
sqlStoreTests('sqlite', openSqlite);
