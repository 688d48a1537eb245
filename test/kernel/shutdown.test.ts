import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { onStopSignals, token } from '../../core/kernel/index.ts';
import { bootPlugins, never, recorder, tracing } from './support.ts';

const [one, two] = [token<object>('one'), token<object>('two')];

/** first <- second <- third: started in this order. */
function chain(events: string[], specs: Readonly<Record<string, Parameters<typeof tracing>[2]>> = {}) {
  return [
    tracing(events, 'first', { provides: { one }, services: { one: {} }, ...specs['first'] }),
    tracing(events, 'second', { requires: { one }, provides: { two }, services: { two: {} }, ...specs['second'] }),
    tracing(events, 'third', { requires: { two }, ...specs['third'] }),
  ];
}
const UNWOUND = ['drain third', 'drain second', 'drain first', 'release third', 'release second', 'release first'];

describe('stop', () => {
  it('drains all in reverse order, then releases last in, first out', async () => {
    const events: string[] = [];
    const running = await bootPlugins(chain(events));
    const report = await running.stop('a test');
    assert.deepEqual(events.slice(6), UNWOUND);
    assert.deepEqual([report.reason, report.problems], ['a test', []]);
  });

  it('happens once, and every caller gets its report', async () => {
    const events: string[] = [];
    const running = await bootPlugins(chain(events));
    const [a, b] = await Promise.all([running.stop('a'), running.stop('b')]);
    assert.equal(a, b);
    assert.equal(events.length, 12);
  });

  it('names a drain that hangs, and goes on with the others', async () => {
    const events: string[] = [];
    const { log, lines } = recorder();
    const running = await bootPlugins(chain(events, { third: { onDrain: never, deadlines: { drain: 20 } } }), { log });
    const { problems } = await running.stop();
    assert.deepEqual(events.slice(6), UNWOUND);
    assert.deepEqual(
      problems.map((problem) => [problem.code, problem.plugin]),
      [['TIMED_OUT', 'third']],
    );
    assert.match(problems[0]!.message, /its drain within 20 ms/);
    assert.ok(lines.some((line) => line.level === 'error' && line.message === problems[0]!.message));
  });

  it('is done within its budget when everything hangs, and names all of it', async () => {
    const events: string[] = [];
    const hangs = { onDrain: never, onRelease: never };
    const running = await bootPlugins(chain(events, { first: hangs, second: hangs, third: hangs }), {
      stopBudgetMs: 200,
    });
    const { problems } = await running.stop();
    assert.deepEqual(events.slice(6), UNWOUND);
    assert.equal(problems.filter((problem) => problem.code === 'TIMED_OUT').length, 6);
    // Each is rounded.
    const given = problems.map(({ message }) => Number(/within (\d+) ms/.exec(message)?.[1]));
    assert.ok(given.reduce((sum, ms) => sum + ms) <= 203, `${given} ms`);
  });

  it('leaves time to the others when the first drain takes all it may', async () => {
    const work = { onDrain: () => setTimeout(10), onRelease: () => setTimeout(5) };
    const running = await bootPlugins(chain([], { third: { onDrain: never }, second: work, first: work }), {
      stopBudgetMs: 2_000,
    });
    const { problems } = await running.stop();
    assert.deepEqual(
      problems.map((problem) => [problem.code, problem.plugin]),
      [['TIMED_OUT', 'third']],
    );
  });

  it('takes a drain that ends when its signal is aborted as finished', async () => {
    const events: string[] = [];
    const obeys = (signal: AbortSignal) =>
      new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    const running = await bootPlugins(chain(events, { third: { onDrain: obeys, deadlines: { drain: 80 } } }));
    assert.deepEqual((await running.stop()).problems, []);
  });

  it('goes on when a drain and a release throw', async () => {
    const events: string[] = [];
    const fails = () => {
      throw new Error('broken');
    };
    const running = await bootPlugins(chain(events, { second: { onDrain: fails, onRelease: fails } }));
    const { problems } = await running.stop();
    assert.deepEqual(events.slice(6), UNWOUND);
    assert.deepEqual(
      problems.map((problem) => [problem.code, problem.plugin]),
      [
        ['DRAIN_FAILED', 'second'],
        ['RELEASE_FAILED', 'second'],
      ],
    );
  });
});

describe('signals', () => {
  function listen() {
    let now = 1000;
    const listeners: Record<string, () => void> = {};
    const calls: string[] = [];
    onStopSignals(
      { on: (signal, listener) => Object.assign(listeners, { [signal]: listener }) },
      (signal) => calls.push(`first ${signal}`),
      (signal) => calls.push(`second ${signal}`),
      () => now,
    );
    const send = (signal: string, after = 0) => {
      now += after;
      listeners[signal]?.();
    };
    return { calls, send };
  }

  it('stop at the first and end at once at the second, whichever they are', () => {
    const { calls, send } = listen();
    send('SIGTERM');
    send('SIGINT', 300);
    assert.deepEqual(calls, ['first SIGTERM', 'second SIGINT']);
  });

  it('count once when one signal comes by the process group and by npm', () => {
    const { calls, send } = listen();
    send('SIGINT');
    send('SIGINT', 5);
    assert.deepEqual(calls, ['first SIGINT']);
  });
});
