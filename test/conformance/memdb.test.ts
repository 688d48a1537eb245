import { storeConformance } from '../../core/testing/store-conformance.ts';
import { storeHistories } from '../../core/testing/store-histories.ts';
import { storeModel } from '../../core/testing/store-model.ts';
import { MemdbStore } from '../../plugins/storage-memdb/memdb-store.ts';

const open = async (tables: Parameters<MemdbStore['open']>[0]) => {
  const store = new MemdbStore();
  store.open(tables);
  return { store, close: async () => store.close() };
};

storeConformance({ describe, it }, { name: 'memdb', open });
storeModel({ describe, it }, { name: 'memdb', open, runs: 300 });
storeHistories({ describe, it }, { name: 'memdb', open });
