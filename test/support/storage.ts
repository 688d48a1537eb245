import type { Store } from '../../core/contracts/store.ts';
import type { Plugin } from '../../core/kernel/index.ts';
import memdb from '../../plugins/storage-memdb/plugin.ts';

/** storage-memdb with another way to write, made of its own. */
export function storageThatWrites(writeOf: (write: Store['write']) => Store['write']): Plugin {
  return Object.freeze({
    ...memdb,
    setup(context: unknown) {
      const made = memdb.setup(context);
      const inner: Store = made.provides.store;
      const write = writeOf(inner.write.bind(inner));
      const store = new Proxy(inner, {
        get(target, name) {
          if (name === 'write') return write;
          const value = Reflect.get(target, name);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
      return { ...made, provides: { store } };
    },
  });
}
