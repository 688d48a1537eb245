import assert from 'node:assert/strict';
import { inline, point, type Token, token } from '../../core/kernel/index.ts';
import type { Loaded } from '../../core/kernel/load.ts';
import { plan } from '../../core/kernel/plan.ts';
import type { Plugin } from '../../core/kernel/plugin.ts';
import { problemsOf, seeded, shuffle, tracing } from './support.ts';

const loaded = (plugins: readonly Plugin[]): Loaded[] => plugins.map((plugin) => ({ plugin, entry: inline(plugin) }));
const orderOf = (plugins: readonly Plugin[]) => plan(loaded(plugins)).plugins.map((one) => one.name);
const make = (name: string, spec: Parameters<typeof tracing>[2] = {}) => tracing([], name, spec);

const store = token<object>('store');
const cache = token<object>('cache');
const services = point<string>('services', 'collector-last');
const references = point<string>('references');

describe('the plan', () => {
  it('puts providers before those that require them, and orders the rest by name', () => {
    assert.deepEqual(
      orderOf([make('zeta'), make('a', { requires: { store } }), make('memdb', { provides: { store } }), make('beta')]),
      ['beta', 'memdb', 'a', 'zeta'],
    );
  });

  it('waits for an optional service that is provided, and not for one that is absent', () => {
    const user = make('a', { optional: { cache } });
    assert.deepEqual(orderOf([user, make('z', { provides: { cache } })]), ['z', 'a']);
    assert.deepEqual(orderOf([user, make('z')]), ['a', 'z']);
  });

  it('puts the collector of a collector-last point after its contributors, and of any other point anywhere', () => {
    const plugins = (at: typeof services) => [
      make('a', { collects: { at } }),
      make('b', { contributes: { at } }),
      make('c', { contributes: { at }, collects: {} }),
    ];
    assert.deepEqual(orderOf(plugins(services)), ['b', 'c', 'a']);
    assert.deepEqual(orderOf(plugins(references)), ['a', 'b', 'c']);
  });

  it('lets a plugin contribute to the point that it collects', () => {
    assert.deepEqual(orderOf([make('a', { contributes: { services }, collects: { services } })]), ['a']);
  });

  it('is the same whatever the order of the list', () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const random = seeded(seed);
    const tokens = Array.from({ length: 30 }, (_, i) => token<object>(`t${i}`));
    const below = (i: number) => tokens.slice(0, i).filter(() => random() < 0.15);
    const named = (list: readonly Token<object>[]) => Object.fromEntries(list.map((one) => [one.id, one]));
    const plugins = tokens.map((own, i) =>
      make(`p${Math.floor(random() * 1e9)}-${i}`, {
        provides: { own },
        requires: named(below(i)),
        optional: named(below(i)),
        ...(i < 20 ? { contributes: { services } } : i === 25 ? { collects: { services } } : {}),
      }),
    );
    const first = orderOf(plugins);
    for (let round = 0; round < 20; round++)
      assert.deepEqual(orderOf(shuffle(plugins, random)), first, `seed ${seed}, round ${round}`);
    for (const { plugin } of loaded(plugins))
      for (const needed of [...Object.values(plugin.requires), ...Object.values(plugin.optional)]) {
        const provider = plugins.find((one) => one.provides['own']?.id === needed.id)!;
        assert.ok(first.indexOf(provider.name) < first.indexOf(plugin.name), `seed ${seed}`);
      }
  });

  it('gives the reason for each place', () => {
    const planned = plan(
      loaded([
        make('api', { collects: { services }, requires: { store } }),
        make('issue', { contributes: { services }, optional: { cache } }),
        make('memory', { provides: { cache } }),
        make('memdb', { provides: { store } }),
      ]),
    );
    assert.deepEqual(Object.fromEntries(planned.plugins.map((one) => [one.name, one.reasons])), {
      memdb: [],
      memory: [],
      issue: ["uses 'cache' of 'memory'"],
      api: ["requires 'store' of 'memdb'", "collects 'services' from 'issue'"],
    });
    assert.equal(planned.providers.get('store'), 'memdb');
    assert.equal(planned.collectors.get('services'), 'api');
  });

  it('names every problem at once', async () => {
    const other = token<object>('other');
    const problems = await problemsOf(() =>
      orderOf([
        make('a', { requires: { store } }),
        make('b', { requires: { store, other } }),
        make('c', { provides: { cache } }),
        make('d', { provides: { cache } }),
        make('e', { collects: { services } }),
        make('f', { collects: { services } }),
      ]),
    );
    assert.deepEqual(
      problems.map((one) => [one.code, one.plugin]),
      [
        ['MISSING_PROVIDER', 'a'],
        ['MISSING_PROVIDER', 'b'],
        ['MISSING_PROVIDER', 'b'],
        ['TWO_PROVIDERS', undefined],
        ['TWO_COLLECTORS', undefined],
      ],
    );
  });

  it('finds each cycle, walks it step by step, and leaves out who only waits for it', async () => {
    const [a, b, c] = [token<object>('a'), token<object>('b'), token<object>('c')];
    const problems = await problemsOf(() =>
      orderOf([
        make('waits', { requires: { a } }),
        make('one', { provides: { a }, requires: { b } }),
        make('two', { provides: { b }, optional: { a } }),
        make('self', { provides: { c }, requires: { c } }),
      ]),
    );
    assert.deepEqual(
      problems.map((one) => one.code),
      ['CYCLE', 'CYCLE'],
    );
    const text = problems.map((one) => one.message).join('\n');
    assert.match(text, /plugins 'one', 'two' wait .*'one' requires 'b' of 'two', 'two' uses 'a' of 'one'/);
    assert.match(text, /'self' requires 'c' of 'self'/);
    assert.doesNotMatch(text, /'waits'/);
  });
});
