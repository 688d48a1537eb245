import type { Store } from '../../core/contracts/store.ts';
import type { Plugin } from '../../core/kernel/index.ts';
import memdb from '../../plugins/storage-memdb/plugin.ts';

/** storage-memdb with another way to write, made of its own. */
export function storageThatWrites(writeOf: (write: Store['write']) => Store['write']): Plugin {
  return storageWith((inner) => ({ write: writeOf(inner.write.bind(inner)) }));
}

/** storage-memdb with another way to read, made of its own. */
export function storageThatReads(readOf: (read: Store['read']) => Store['read']): Plugin {
  return storageWith((inner) => ({ read: readOf(inner.read.bind(inner)) }));
}

function storageWith(changes: (inner: Store) => Partial<Store>): Plugin {
  return Object.freeze({
    ...memdb,
    setup(context: unknown) {
      const made = memdb.setup(context);
      const inner: Store = made.provides.store;
      const changed = changes(inner);
      const store = new Proxy(inner, {
        get(target, name) {
          if (Object.hasOwn(changed, name)) return Reflect.get(changed, name);
          const value = Reflect.get(target, name);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
      return { ...made, provides: { store } };
    },
  });
}
