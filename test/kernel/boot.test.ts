import assert from 'node:assert/strict';
import { definePlugin, inline, point, token } from '../../core/kernel/index.ts';
import { bootPlugins, codesOf, never, problemsOf, recorder, tracing } from './support.ts';

const base = token<{ value: number }>('base');
const words = point<string>('words', 'collector-last');
const provider = (events: string[], spec: Parameters<typeof tracing>[2] = {}) =>
  tracing(events, 'base', { provides: { base }, services: { base: { value: 7 } }, ...spec });
const user = (events: string[], spec: Parameters<typeof tracing>[2] = {}) =>
  tracing(events, 'a', { requires: { base }, ...spec });

describe('boot', () => {
  it('sets all up, then starts all, in the order of the plan', async () => {
    const events: string[] = [];
    await bootPlugins([user(events), provider(events)]);
    assert.deepEqual(events, ['setup base', 'setup a', 'start base', 'start a']);
  });

  it('hands out services by token, and only those that are provided', async () => {
    const absent = token<string>('absent');
    let deps: { base: { value: number }; absent?: string } | undefined;
    const reads = definePlugin({
      name: 'reads',
      kernel: '^1.0.0',
      requires: { base },
      optional: { absent },
      setup(context) {
        deps = { ...context.deps };
        return undefined;
      },
    });
    const running = await bootPlugins([reads, provider([])]);
    assert.deepEqual(deps, { absent: undefined, base: { value: 7 } });
    assert.equal(running.service(base).value, 7);
    assert.deepEqual(await codesOf(() => running.service(absent)), ['MISSING_PROVIDER']);
  });

  it('gives a collector every contribution with its plugin, in the order of the plan', async () => {
    let seen: unknown;
    const says = (name: string, ...items: string[]) =>
      definePlugin({
        name,
        kernel: '^1.0.0',
        contributes: { words },
        setup({ contribute }) {
          contribute.words(...items);
          return undefined;
        },
      });
    const collector = definePlugin({
      name: 'a-collector',
      kernel: '^1.0.0',
      collects: { words },
      setup: () => ({
        start({ words: collected }) {
          seen = collected;
        },
      }),
    });
    await bootPlugins([says('z', 'last'), collector, says('b', 'first', 'second')]);
    assert.deepEqual(seen, [
      { plugin: 'b', value: 'first' },
      { plugin: 'b', value: 'second' },
      { plugin: 'z', value: 'last' },
    ]);
  });

  it('stops before the first start when it is asked to, and shows what was contributed', async () => {
    const events: string[] = [];
    const says = definePlugin({
      name: 'says',
      kernel: '^1.0.0',
      contributes: { words },
      setup({ contribute, defer }) {
        contribute.words('hello');
        defer('says', () => void events.push('release says'));
        return { start: () => void events.push('start says') };
      },
    });
    const running = await bootPlugins([says, provider(events)], { until: 'setup' });
    assert.deepEqual(running.contributed(words), [{ plugin: 'says', value: 'hello' }]);
    assert.deepEqual(running.contributed(point('absent')), []);
    assert.equal(running.service(base).value, 7);
    await running.stop();
    assert.deepEqual(events, ['setup base', 'release says', 'release base']);
  });

  it('keeps the methods of an instance of a class', async () => {
    let started = '';
    class Server {
      readonly name = 'server';
      start() {
        started = this.name;
      }
    }
    await bootPlugins([definePlugin({ name: 'a', kernel: '^1.0.0', setup: () => new Server() })]);
    assert.equal(started, 'server');
  });

  it('opens nothing when the configuration of any plugin is refused', async () => {
    const events: string[] = [];
    const entries = [inline(provider(events)), inline(user(events), { unknown: 1 })];
    assert.deepEqual(await codesOf(() => bootPlugins([], { entries })), ['BAD_CONFIG']);
    assert.deepEqual(events, []);
  });

  it('releases what was opened when a setup throws, and names who threw', async () => {
    const events: string[] = [];
    const throws = user(events, {
      onSetup: () => {
        throw new Error('no such host');
      },
    });
    const [problem, ...others] = await problemsOf(() => bootPlugins([provider(events), throws]));
    assert.deepEqual([problem?.code, problem?.plugin, others.length], ['SETUP_FAILED', 'a', 0]);
    assert.match(problem?.message ?? '', /no such host/);
    assert.deepEqual(events, ['setup base', 'setup a', 'release a', 'release base']);
  });

  it('drains what was started and releases what was opened when a start throws', async () => {
    const events: string[] = [];
    const throws = user(events, {
      onStart: () => {
        throw new Error('broken');
      },
    });
    const last = tracing(events, 'z');
    assert.deepEqual(await codesOf(() => bootPlugins([provider(events), throws, last])), ['START_FAILED']);
    assert.deepEqual(events.slice(3), [
      'start base',
      'start a',
      'drain base',
      'release z',
      'release a',
      'release base',
    ]);
  });

  it('adds what went wrong while unwinding to the problems', async () => {
    const events: string[] = [];
    const broken = provider(events, {
      onRelease: () => {
        throw new Error('stuck');
      },
    });
    const throws = user(events, {
      onSetup: () => {
        throw new Error('no');
      },
    });
    assert.deepEqual(await codesOf(() => bootPlugins([broken, throws])), ['SETUP_FAILED', 'RELEASE_FAILED']);
  });

  it('names a setup that ignores its signal, and releases what it deferred', async () => {
    const events: string[] = [];
    const hangs = user(events, { deadlines: { setup: 20 }, onSetup: never });
    const [problem] = await problemsOf(() => bootPlugins([provider(events), hangs]));
    assert.deepEqual([problem?.code, problem?.plugin], ['TIMED_OUT', 'a']);
    assert.match(problem?.message ?? '', /its setup within 20 ms/);
    assert.deepEqual(events.slice(2), ['release a', 'release base']);
  });

  it('aborts the signal of a start that passes its deadline, and waits for it to obey', async () => {
    const events: string[] = [];
    const obeys = user(events, {
      onStart: (signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            events.push('obeyed');
            reject(signal.reason);
          });
        }),
    });
    const started = bootPlugins([provider(events), obeys], { deadlines: { start: 20 } });
    assert.deepEqual(await codesOf(() => started), ['TIMED_OUT']);
    assert.deepEqual(events.slice(4), ['obeyed', 'drain base', 'release a', 'release base']);
  });

  it('is called off in the middle of a setup, and unwinds', async () => {
    const events: string[] = [];
    const asked = new AbortController();
    const slow = user(events, {
      onSetup: (signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
          asked.abort('SIGTERM');
        }),
    });
    const problems = await problemsOf(() => bootPlugins([provider(events), slow], { signal: asked.signal }));
    assert.deepEqual(
      problems.map((one) => one.code),
      ['CALLED_OFF'],
    );
    assert.match(problems[0]!.message, /SIGTERM/);
    assert.deepEqual(events, ['setup base', 'setup a', 'release a', 'release base']);
  });

  it('opens nothing when it is called off before it began', async () => {
    const events: string[] = [];
    const signal = AbortSignal.abort('SIGINT');
    assert.deepEqual(await codesOf(() => bootPlugins([provider(events)], { signal })), ['CALLED_OFF']);
    assert.deepEqual(events, []);
  });

  it('releases at once what is deferred after a setup has timed out', async () => {
    const late = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    const refused = Promise.withResolvers<string[]>();
    const plugin = definePlugin({
      name: 'late',
      kernel: '^1.0.0',
      deadlines: { setup: 10 },
      async setup({ defer }) {
        await late.promise;
        refused.resolve(await codesOf(() => defer('connection', () => released.resolve())));
        return undefined;
      },
    });
    assert.deepEqual(await codesOf(() => bootPlugins([plugin])), ['TIMED_OUT']);
    late.resolve();
    await released.promise;
    assert.deepEqual(await refused.promise, ['LATE_DEFER']);
  });

  it('allows a release to be deferred in start, where servers begin to listen', async () => {
    const events: string[] = [];
    const plugin = definePlugin({
      name: 'a',
      kernel: '^1.0.0',
      setup: ({ defer }) => ({
        start: () => defer('socket', () => void events.push('released')),
      }),
    });
    const running = await bootPlugins([plugin]);
    assert.deepEqual((await running.stop()).problems, []);
    assert.deepEqual(events, ['released']);
  });

  it('fails although a plugin swallows what its context refuses', async () => {
    const plugin = definePlugin({
      name: 'a',
      kernel: '^1.0.0',
      setup({ contribute }) {
        try {
          (contribute as unknown as Record<string, (item: string) => void>)['words']?.('x');
        } catch {}
        return undefined;
      },
    });
    assert.deepEqual(await codesOf(() => bootPlugins([plugin])), ['UNDECLARED_POINT']);
  });

  it('shows the stack of a failure at debug, without the secrets of the plugin', async () => {
    const { log, lines } = recorder();
    const plugin = definePlugin({
      name: 'a',
      kernel: '^1.0.0',
      secrets: ['login'],
      config: { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } },
      setup({ config }) {
        throw new Error(`cannot log in with ${JSON.stringify(config)}`);
      },
    });
    const entries = [inline(plugin, { login: { name: 'me', code: 'hunter2' } })];
    const problems = await problemsOf(() => bootPlugins([], { entries, log }));
    assert.match(problems[0]!.message, /cannot log in with/);
    assert.ok(lines.some((line) => line.level === 'debug' && JSON.stringify(line.fields).includes('boot.test.ts')));
    assert.doesNotMatch(JSON.stringify([problems, lines]), /hunter2/);
  });
});
