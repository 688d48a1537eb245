import { type Store, StoreError } from '../../core/contracts/store.ts';
import type { Plugin } from '../../core/kernel/index.ts';

/** What a test makes of the plugin of a storage. */
export type Remade = (plugin: Plugin) => Plugin;

/** One with another way to write, made of its own. */
export function storageThatWrites(writeOf: (write: Store['write']) => Store['write']): Remade {
  return storageWith((inner) => ({ write: writeOf(inner.write.bind(inner)) }));
}

/** One with another way to read, made of its own. */
export function storageThatReads(readOf: (read: Store['read']) => Store['read']): Remade {
  return storageWith((inner) => ({ read: readOf(inner.read.bind(inner)) }));
}

/** One that is as a database that is not there when the tracker starts, until `come` is called. */
export function storageThatComesLater(): { readonly storage: Remade; come(): void } {
  const here = Promise.withResolvers<void>();
  let isHere = false;
  const away = () => new StoreError('unavailable', 'the database is not there');
  const refuse = () => {
    if (!isHere) throw away();
  };
  const storage = storageWith((inner) => ({
    get id() {
      refuse();
      return inner.id;
    },
    async ready(signal) {
      const ended = new Promise<never>((_, reject) => signal?.addEventListener('abort', () => reject(away())));
      await Promise.race([here.promise, ended]);
    },
    async read(fn, options) {
      refuse();
      return inner.read(fn, options);
    },
    async write(fn, options) {
      refuse();
      return inner.write(fn, options);
    },
    async lease(name, fn, options) {
      refuse();
      return inner.lease(name, fn, options);
    },
  }));
  return {
    storage,
    come() {
      isHere = true;
      here.resolve();
    },
  };
}

function storageWith(changes: (inner: Store) => Partial<Store>): Remade {
  return (plugin) => {
    // biome-ignore lint/suspicious/noExplicitAny: the kernel's context for a plugin of any types
    const setup = async (context: any) => {
      const made = await plugin.setup(context);
      const inner: Store = made.provides.store;
      const changed = changes(inner);
      const store = new Proxy(inner, {
        get(target, name) {
          if (Object.hasOwn(changed, name)) return Reflect.get(changed, name);
          const value = Reflect.get(target, name);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
      return { ...made, provides: { ...made.provides, store } };
    };
    return Object.freeze({ ...plugin, setup });
  };
}
