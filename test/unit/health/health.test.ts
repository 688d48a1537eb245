import assert from 'node:assert/strict';
import { clock } from '../../../core/contracts/clock.ts';
import {
  type Health,
  type HealthCheck,
  type HealthStatus,
  health,
  healthChecks,
} from '../../../core/contracts/health.ts';
import { type HttpRoute, httpRoutes } from '../../../core/contracts/http.ts';
import { boot, definePlugin, inline, type Running } from '../../../core/kernel/index.ts';
import healthPlugin from '../../../plugins/health/plugin.ts';
import { recorder } from '../../kernel/support.ts';

interface Part {
  status: HealthStatus | 'throws' | 'hangs';
  checked: number;
}

interface Bench {
  readonly running: Running;
  readonly health: Health;
  readonly lines: ReturnType<typeof recorder>['lines'];
  get(path: string): Promise<{ status: number; body: string }>;
  /** Lets the clock go on. */
  later(milliseconds: number): void;
}

/** The health plugin with a required database, an optional cache and a transport. */
async function start(
  parts: Partial<Record<'db' | 'cache' | 'communication', Part>>,
  config: object = {},
): Promise<Bench> {
  let micros = 0;
  let routes: readonly HttpRoute[] = [];
  const { log, lines } = recorder();
  const check = (component: string, type: string, required: boolean, part: Part): HealthCheck => ({
    component,
    type,
    required,
    async check() {
      part.checked++;
      if (part.status === 'throws') throw new Error('password=hunter2');
      if (part.status === 'hangs') return new Promise(() => {});
      return { status: part.status };
    },
  });
  const surroundings = definePlugin({
    name: 'surroundings',
    kernel: '^1.0.0',
    provides: { clock },
    contributes: { healthChecks },
    setup({ contribute }) {
      if (parts.db) contribute.healthChecks(check('db', 'memdb', true, parts.db));
      if (parts.cache) contribute.healthChecks(check('cache', 'memory', false, parts.cache));
      if (parts.communication) contribute.healthChecks(check('communication', 'stream', false, parts.communication));
      return { provides: { clock: { now: () => micros } } };
    },
  });
  const pages = definePlugin({
    name: 'pages',
    kernel: '^1.0.0',
    collects: { httpRoutes },
    setup: () => ({
      start({ httpRoutes: collected }) {
        routes = collected.map(({ value }) => value);
      },
    }),
  });
  // An hour between the runs of its own, unless a test is about them.
  const section = { intervalMs: 3_600_000, ...config };
  const running = await boot({ log, entries: [inline(healthPlugin, section), inline(surroundings), inline(pages)] });
  return {
    running,
    health: running.service(health),
    lines,
    async get(path) {
      const route = routes.find((one) => one.path === path);
      const { signal } = new AbortController();
      const page = await route!.handle({ path, query: new URLSearchParams(), signal });
      return { status: page.status, body: String(page.body) };
    },
    later(milliseconds) {
      micros += milliseconds * 1000;
    },
  };
}

const part = (status: Part['status'] = 'up'): Part => ({ status, checked: 0 });

describe('the health plugin', () => {
  it('shows each part by name, and is healthy while all are up', async () => {
    const { running, get } = await start(
      { db: part(), cache: part(), communication: part() },
      { appName: 'my tracker' },
    );
    const page = await get('/health');
    assert.equal(page.status, 200);
    assert.deepEqual(JSON.parse(page.body), {
      status: 'healthy',
      app_name: 'my tracker',
      db_status: 'up',
      db_type: 'memdb',
      cache_status: 'up',
      cache_type: 'memory',
      communication_status: 'up',
      communication_method: 'stream',
    });
    assert.deepEqual(await get('/healthz'), { status: 200, body: 'ok' });
    assert.equal((await get('/readyz')).status, 200);
    await running.stop();
  });

  it('is degraded and ready without an optional part', async () => {
    const { running, get } = await start({ db: part(), cache: part('down') });
    const page = await get('/health');
    assert.equal(page.status, 200);
    assert.deepEqual([JSON.parse(page.body).status, JSON.parse(page.body).cache_status], ['degraded', 'down']);
    assert.equal((await get('/readyz')).status, 200);
    await running.stop();
  });

  it('is unhealthy, not ready and alive without a required part', async () => {
    const { running, get } = await start({ db: part('down') });
    const page = await get('/health');
    assert.equal(page.status, 503);
    assert.equal(JSON.parse(page.body).status, 'unhealthy');
    assert.equal((await get('/readyz')).status, 503);
    assert.equal((await get('/healthz')).status, 200);
    await running.stop();
  });

  it('counts a check that throws or hangs as down, and shows nothing of what was thrown', async () => {
    const { running, get, lines } = await start({ db: part('throws'), cache: part('hangs') }, { timeoutMs: 20 });
    const { status, body } = await get('/health');
    assert.equal(status, 503);
    const { db_status, cache_status, cache_detail } = JSON.parse(body);
    assert.deepEqual([db_status, cache_status], ['down', 'down']);
    assert.match(cache_detail, /20 ms/);
    assert.doesNotMatch(body, /hunter2/);
    assert.equal(lines.filter(({ level }) => level === 'warn').length, 2);
    await running.stop();
  });

  it('says whether it is ready without waiting for an optional part', async () => {
    const { running, health, get } = await start({ db: part(), communication: part('hangs') }, { timeoutMs: 60_000 });
    assert.equal((await get('/readyz')).status, 200);
    health.draining();
    assert.equal((await get('/readyz')).status, 503);
    await running.stop();
  });

  it('runs the checks once a second at most, for all callers together', async () => {
    const db = part();
    const { running, health, get, later } = await start({ db });
    const asked = db.checked;
    await Promise.all([health.report(), get('/health'), get('/readyz')]);
    assert.ok(db.checked <= asked + 1);
    const first = db.checked;
    later(999);
    await health.report();
    assert.equal(db.checked, first);
    later(1);
    await health.report();
    assert.equal(db.checked, first + 1);
    await running.stop();
  });

  it('logs a part that is not well once, and once when it is well again', async () => {
    const db = part('down');
    const { running, health, later, lines } = await start({ db });
    for (const status of ['down', 'down', 'up', 'up'] as const) {
      db.status = status;
      await health.report();
      later(1000);
    }
    assert.deepEqual(
      lines.filter(({ fields }) => 'component' in fields).map(({ level }) => level),
      ['warn', 'info'],
    );
    await running.stop();
  });

  it('tells listeners when readiness changes, and only then', async () => {
    const db = part();
    const { running, health, later } = await start({ db });
    const changes: boolean[] = [];
    const unlisten = health.onReadyChange((ready) => changes.push(ready));
    for (const status of ['up', 'down', 'down', 'up'] as const) {
      db.status = status;
      await health.report();
      later(1000);
    }
    assert.deepEqual(changes, [false, true]);
    unlisten();
    db.status = 'down';
    await health.report();
    assert.deepEqual(changes, [false, true]);
    await running.stop();
  });

  it('notices a change by itself', async () => {
    const db = part();
    const { running, health, later } = await start({ db }, { intervalMs: 10 });
    const changed = new Promise((resolve) => health.onReadyChange(resolve));
    db.status = 'down';
    later(1000);
    assert.equal(await changed, false);
    await running.stop();
  });

  it('is not ready from the moment a server drains', async () => {
    const { running, health, get } = await start({ db: part() });
    const changes: boolean[] = [];
    health.onReadyChange((ready) => changes.push(ready));
    health.draining();
    assert.deepEqual(changes, [false]);
    assert.equal((await get('/readyz')).status, 503);
    assert.equal((await health.report()).status, 'down');
    assert.deepEqual(changes, [false]);
    await running.stop();
  });
});
