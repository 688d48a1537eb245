import assert from 'node:assert/strict';
import { clock } from '../../core/contracts/clock.ts';
import { type HealthCheck, healthChecks } from '../../core/contracts/health.ts';
import { store } from '../../core/contracts/store.ts';
import { defineTable, int64, tables, uuid } from '../../core/contracts/tables.ts';
import { definePlugin } from '../../core/kernel/index.ts';
import storageMemdb from '../../plugins/storage-memdb/plugin.ts';
import { bootPlugins } from '../kernel/support.ts';

const table = () => defineTable({ name: 'things', columns: { id: uuid(), n: int64() }, primaryKey: ['id'] });
const ID = '00000000-0000-7000-8000-000000000001';

const service = (name: string) =>
  definePlugin({
    name,
    kernel: '^1.0.0',
    contributes: { tables },
    setup({ contribute }) {
      contribute.tables(table());
      return undefined;
    },
  });

describe('storage-memdb', () => {
  it('provides a store of the tables that the other plugins contribute, at their time, with its health', async () => {
    const checks: HealthCheck[] = [];
    const health = definePlugin({
      name: 'health',
      kernel: '^1.0.0',
      collects: { healthChecks },
      setup: () => ({
        start(collected) {
          checks.push(...collected.healthChecks.map(({ value }) => value));
        },
      }),
    });
    const time = definePlugin({
      name: 'time',
      kernel: '^1.0.0',
      provides: { clock },
      setup: () => ({ provides: { clock: { now: () => 77 } } }),
    });
    const running = await bootPlugins([storageMemdb, service('things'), health, time]);
    const memdb = running.service(store);
    await memdb.write((tx) => tx.table(table()).insert({ id: ID, n: tx.now }));
    assert.equal((await memdb.read((tx) => tx.table(table()).get(ID)))?.n, 77);
    const [check] = checks;
    assert.deepEqual([checks.length, check!.component, check!.type, check!.required], [1, 'db', 'memdb', true]);
    assert.deepEqual(await check!.check(new AbortController().signal), { status: 'up' });
    await running.stop();
    assert.deepEqual(await check!.check(new AbortController().signal), { status: 'down' });
  });

  it('refuses two tables of one name, and says whose they are', async () => {
    await assert.rejects(bootPlugins([storageMemdb, service('one'), service('two')]), (error: Error) => {
      const said = `${error.message} ${JSON.stringify(error)} ${String(error.cause)}`;
      return /'things' is contributed by 'one' and by 'two'/.test(said);
    });
  });
});
