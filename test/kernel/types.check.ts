import { z } from 'zod';
import { definePlugin, point, type Token, token } from '../../core/kernel/index.ts';

/**
 * What must not compile. `tsc -p .` checks it: a line that is not an error any more fails the check. Nothing runs.
 */

interface Store {
  get(id: string): string;
}
const store = token<Store>('store');
const cache = token<Map<string, string>>('cache');
const tables = point<{ name: string }>('tables');
const base = { name: 'a', kernel: '^1.0.0' } as const;

definePlugin({
  ...base,
  requires: { store },
  optional: { cache },
  setup({ deps }) {
    deps.store.get('x') satisfies string;
    deps.cache?.get('x');
    // @ts-expect-error an optional service may be absent
    deps.cache.get('x');
    // @ts-expect-error an undeclared dependency cannot be reached
    deps.users;
    // @ts-expect-error a service has its own type and no other
    deps.store.get(1);
    return undefined;
  },
});

// @ts-expect-error a promised service must be returned
definePlugin({ ...base, provides: { store }, setup: () => ({}) });

definePlugin({
  ...base,
  contributes: { tables },
  // A plugin that only contributes returns nothing.
  setup({ contribute }) {
    contribute.tables({ name: 'x' });
  },
});

// @ts-expect-error and nothing else than an instance
definePlugin({ ...base, setup: () => 5 });

// @ts-expect-error and something must be returned at all
definePlugin({ ...base, provides: { store }, setup: () => undefined });

// @ts-expect-error a returned service must have the token's type
definePlugin({ ...base, provides: { store }, setup: () => ({ provides: { store: { get: () => 1 } } }) });

definePlugin({
  ...base,
  provides: { store },
  // @ts-expect-error every promised service, not only some other
  setup: () => ({ provides: { cache: new Map() } }),
});

// @ts-expect-error a service that is not declared cannot be returned
definePlugin({ ...base, setup: () => ({ provides: { store: 1 } }) });

definePlugin({
  ...base,
  contributes: { tables },
  setup({ contribute }) {
    contribute.tables({ name: 'x' }, { name: 'y' });
    // @ts-expect-error a contribution must have the point's type
    contribute.tables('x');
    // @ts-expect-error an undeclared point cannot be reached
    contribute.services();
    return undefined;
  },
});

definePlugin({
  ...base,
  collects: { tables },
  setup: () => ({
    start({ tables: collected }) {
      collected[0]?.value.name satisfies string | undefined;
      // @ts-expect-error a collected item has the point's type
      collected[0]?.value.size;
    },
  }),
});

definePlugin({
  ...base,
  setup: () => ({
    // @ts-expect-error a point that is not collected cannot be read
    start: ({ tables: collected }) => void collected,
  }),
});

definePlugin({
  ...base,
  config: z.strictObject({ pageSize: z.number() }),
  setup({ config }) {
    config.pageSize satisfies number;
    // @ts-expect-error a key that the schema lacks
    config.pagesize;
    return undefined;
  },
});

definePlugin({
  ...base,
  setup({ config }) {
    // @ts-expect-error without a schema there are no settings
    config.pageSize satisfies number;
    return undefined;
  },
});

// @ts-expect-error tokens of different types are not the same
const wrong: Token<Map<string, string>> = store;
void wrong;

// @ts-expect-error a point is not a token
definePlugin({ ...base, requires: { tables }, setup: () => undefined });

// @ts-expect-error a plugin says which kernel it was written for
definePlugin({ name: 'a', setup: () => undefined });

// @ts-expect-error a schema, not a bare object
definePlugin({ ...base, config: { pageSize: 50 }, setup: () => undefined });
