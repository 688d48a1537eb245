import assert from 'node:assert/strict';
import type { Key } from '../../contracts/store.ts';
import { uuidv7 } from '../../lib/uuid.ts';
import { accounts, insertAccount, insertItems, item, items, labels, refuses, type StoreSuite } from './fixtures.ts';

const loop: { self?: unknown } = {};
loop.self = loop;

/** Values that do not fit, by column. */
const BAD: Readonly<Record<string, readonly unknown[]>> = {
  name: [1, null, undefined, {}, 'a\0b', '\ud800', '\udc00\ud800', 'x'.repeat(51), '\u{1f600}'.repeat(51)],
  rank: ['1', null, 1.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, 1n],
  score: ['1', Number.NaN, Number.NEGATIVE_INFINITY, true],
  done: [0, 'true', null],
  due: ['2020-01-01', new Date(), 0.5, -(2 ** 53)],
  owner: ['', 'x', uuidv7().toUpperCase(), uuidv7().replaceAll('-', ''), `{${uuidv7()}}`, 7],
  meta: [
    { x: 'a\0' },
    { 'a\0': 1 },
    ['\ud800'],
    { '\ud800': 1 },
    [Number.NaN],
    { x: undefined },
    [undefined],
    () => 1,
    Symbol('x'),
    10n,
    new Date(),
    new Map(),
    loop,
  ],
  nonsense: [1],
  version: [1],
  constructor: ['x'],
};

export const input: StoreSuite = {
  async 'refuses values that do not fit their column, and names the column'({ store }) {
    const [row] = await insertItems(store, [{}]);
    for (const [column, values] of Object.entries(BAD))
      for (const value of values) {
        const bad = { [column]: value } as object;
        await refuses(
          store.write((tx) => tx.table(items).insert({ ...item(), ...bad })),
          'invalid',
          column,
        );
        if (value === undefined) continue;
        await refuses(
          store.write((tx) => tx.table(items).update(row!.id, bad)),
          'invalid',
          column,
        );
      }
    assert.deepEqual(await store.read((tx) => tx.table(items).find()), { rows: [row] });
  },

  async 'refuses a row without a value that it must have'({ store }) {
    for (const column of ['id', 'name', 'rank', 'done'] as const) {
      const { [column]: _, ...rest } = item();
      await refuses(
        store.write((tx) => tx.table(items).insert(rest as never)),
        'invalid',
        column,
      );
    }
  },

  async 'counts the length of a text in code points'({ store }) {
    const name = '\u{1f600}'.repeat(50);
    const [row] = await insertItems(store, [{ name }]);
    assert.equal((await store.read((tx) => tx.table(items).get(row!.id)))?.name, name);
  },

  async 'refuses a change of the primary key'({ store }) {
    const [row] = await insertItems(store, [{}]);
    await refuses(
      store.write((tx) => tx.table(items).update(row!.id, { id: uuidv7() })),
      'invalid',
      'id',
    );
    await store.write((tx) => tx.table(labels).insert({ item: row!.id, label: 'x' }));
    await refuses(
      store.write((tx) => tx.table(labels).update([row!.id, 'x'], { label: 'y' })),
      'invalid',
      'label',
    );
  },

  async 'refuses amounts that cannot be added'({ store }) {
    const id = await insertAccount(store, Number.MAX_SAFE_INTEGER);
    const [row] = await insertItems(store, [{}]);
    const label = { item: row!.id, label: 'x', weight: null };
    await store.write((tx) => tx.table(labels).insert(label));
    for (const amount of [1, 0.5, Number.NaN, '1'])
      await refuses(
        store.write((tx) => tx.table(accounts).increment(id, { balance: amount as number })),
        'invalid',
        'balance',
      );
    for (const column of ['nonsense', 'version', 'id'])
      await refuses(
        store.write((tx) => tx.table(accounts).increment(id, { [column]: 1 } as object)),
        'invalid',
        column,
      );
    await refuses(
      store.write((tx) => tx.table(labels).increment([row!.id, 'x'], { weight: 1 })),
      'invalid',
      'weight',
    );
    await refuses(
      store.write((tx) => tx.table(items).increment(row!.id, { score: 1 })),
      'invalid',
      'score',
    );
    assert.equal((await store.read((tx) => tx.table(accounts).get(id)))?.balance, Number.MAX_SAFE_INTEGER);
  },

  async 'refuses keys that do not fit the primary key'({ store }) {
    const id = uuidv7();
    const bad: readonly Key[] = [
      'x',
      1,
      id.toUpperCase(),
      [],
      [id, id],
      null as never,
      undefined as never,
      [null as never],
    ];
    for (const key of bad) {
      await refuses(
        store.read((tx) => tx.table(items).get(key)),
        'invalid',
        'id',
      );
      await refuses(
        store.read((tx) => tx.table(items).getMany([key])),
        'invalid',
        'id',
      );
      await refuses(
        store.write((tx) => tx.table(items).update(key, {})),
        'invalid',
        'id',
      );
      await refuses(
        store.write((tx) => tx.table(items).delete(key)),
        'invalid',
        'id',
      );
      await refuses(
        store.write((tx) => tx.table(items).lock(key, 'update')),
        'invalid',
        'id',
      );
    }
    await refuses(
      store.read((tx) => tx.table(labels).get([id, 'a\0'])),
      'invalid',
      'label',
    );
    await refuses(
      store.read((tx) => tx.table(labels).get(id)),
      'invalid',
    );
  },
};
