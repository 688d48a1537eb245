import assert from 'node:assert/strict';
import { type Change, logTrimmed } from '../../../core/contracts/log.ts';
import type { Transport } from '../../../core/contracts/transport.ts';
import type { Logger } from '../../../core/kernel/index.ts';
import { Hints } from '../../../plugins/log/hints.ts';
import { Tailer } from '../../../plugins/log/tailer.ts';
import { StreamTransport } from '../../../plugins/transport-stream/stream-transport.ts';
import { recordingLogger } from '../plugin-context.ts';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
const turns = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A log whose head is what the test says. */
function logOf(options: { fail?: () => boolean } = {}) {
  const log = {
    head: async () => 0,
    seq: 0,
    async read({ after }: { after: number }): Promise<readonly Change[]> {
      if (options.fail?.()) throw new Error('no connection');
      return Array.from({ length: log.seq - after }, (_, i) => ({ seq: after + i + 1 }) as Change);
    },
  };
  return log;
}

describe('the tailer of the change log', () => {
  it('delivers to every listener, also after one that throws', async () => {
    const log = logOf();
    const tailer = new Tailer(log, silent);
    await tailer.open();
    const heard: number[] = [];
    tailer.follow(() => {
      throw new Error('a listener with a mistake');
    });
    tailer.follow((changes) => heard.push(...changes.map(({ seq }) => seq)));
    log.seq = 2;
    tailer.wake();
    await turns();
    log.seq = 3;
    tailer.wake();
    await turns();
    assert.deepEqual(heard, [1, 2, 3]);
  });

  it('reads again at once where there was as much as it asked for, and not where there was less', async () => {
    const inner = logOf();
    let reads = 0;
    const log = {
      ...inner,
      async read({ after, limit }: { after: number; limit?: number }) {
        reads += 1;
        return (await inner.read({ after })).slice(0, limit);
      },
    };
    const tailer = new Tailer(log, silent);
    await tailer.open();
    const heard: number[] = [];
    tailer.follow((changes) => heard.push(...changes.map(({ seq }) => seq)));
    inner.seq = 1_100;
    tailer.wake();
    while (heard.length < 1_100) await turns();
    await turns();
    assert.equal(reads, 3);
  });

  it('loses nothing when it is woken while it reads', async () => {
    const log = logOf();
    const tailer = new Tailer(log, silent);
    await tailer.open();
    const heard: number[] = [];
    tailer.follow((changes) => {
      heard.push(...changes.map(({ seq }) => seq));
      if (log.seq < 50) {
        log.seq += 1;
        tailer.wake();
      }
    });
    log.seq = 1;
    tailer.wake();
    while (heard.length < 50) await turns();
    assert.deepEqual(
      heard,
      Array.from({ length: 50 }, (_, i) => i + 1),
    );
  });

  it('loses no wake, also in the turn in which its reading ends', async () => {
    for (let hops = 0; hops < 20; hops++) {
      const inner = logOf();
      let gate = Promise.withResolvers<void>();
      const log = {
        ...inner,
        async read(at: { after: number }) {
          const changes = await inner.read(at);
          await gate.promise;
          return changes;
        },
      };
      const tailer = new Tailer(log, silent);
      await tailer.open();
      const heard: number[] = [];
      tailer.follow((changes) => heard.push(...changes.map(({ seq }) => seq)));
      inner.seq = 1;
      tailer.wake();
      await turns();
      gate.resolve();
      for (let hop = 0; hop < hops; hop++) await undefined;
      gate = Promise.withResolvers();
      gate.resolve();
      inner.seq = 2;
      tailer.wake();
      await turns();
      await turns();
      assert.deepEqual(heard, [1, 2], `woken ${hops} microtasks after the read`);
    }
  });

  it('goes on where it was when the log could not be read, and says so once and not at each try', async () => {
    let broken = true;
    const log = logOf({ fail: () => broken });
    const logger = recordingLogger();
    const tailer = new Tailer(log, logger);
    await tailer.open();
    const heard: number[] = [];
    tailer.follow((changes) => heard.push(...changes.map(({ seq }) => seq)));
    log.seq = 2;
    for (let tries = 0; tries < 3; tries++) {
      tailer.wake();
      await turns();
    }
    assert.deepEqual(heard, []);
    broken = false;
    tailer.wake();
    await turns();
    assert.deepEqual(heard, [1, 2]);
    assert.deepEqual(
      logger.lines.map(({ level }) => level),
      ['warn', 'info'],
    );
  });

  it('reads again by itself after a read that failed, for where nobody else writes nothing may wake it', async () => {
    let fails = 1;
    const log = logOf({ fail: () => fails-- > 0 });
    const tailer = new Tailer(log, silent);
    await tailer.open();
    const { promise: heard, resolve } = Promise.withResolvers<readonly Change[]>();
    tailer.follow(resolve);
    log.seq = 2;
    tailer.wake();
    assert.deepEqual(
      (await heard).map(({ seq }) => seq),
      [1, 2],
    );
    await tailer.close();
  });

  it('goes on with what is left where events were deleted before it had read them', async () => {
    const log = logOf();
    const tailer = new Tailer(
      { ...log, read: async (at) => (at.after < 40 ? Promise.reject(logTrimmed(41)) : log.read(at)) },
      silent,
    );
    await tailer.open();
    const heard: number[] = [];
    tailer.follow((changes) => heard.push(...changes.map(({ seq }) => seq)));
    log.seq = 42;
    tailer.wake();
    await turns();
    await turns();
    assert.deepEqual(heard, [41, 42]);
  });

  it('delivers nothing after it was closed', async () => {
    const log = logOf();
    const tailer = new Tailer(log, silent);
    await tailer.open();
    tailer.follow(() => assert.fail('it is closed'));
    await tailer.close();
    log.seq = 1;
    tailer.wake();
    await turns();
  });
});

describe('hints', () => {
  it('have one on its way at a time, and one more of each kind for all that came meanwhile', async () => {
    let release = () => {};
    const sent: string[] = [];
    const transport: Transport = {
      kind: 'test',
      publish(_topic, { value }) {
        sent.push(value.split(' ')[0]!);
        return new Promise((resolve) => {
          release = resolve;
        });
      },
      subscribe: async () => async () => {},
    };
    const hints = new Hints(transport, 'a store', silent);
    for (let i = 0; i < 1000; i += 1) hints.send(i % 2 ? 'grown' : 'pending');
    await turns();
    for (let n = 0; n < 4; n++) {
      release();
      await turns();
    }
    assert.deepEqual(sent, ['pending', 'grown', 'pending']);
  });

  it('are heard by other instances of the store alone', async () => {
    const transport = new StreamTransport(silent);
    const { signal } = new AbortController();
    const heard: string[] = [];
    const [a, b, other] = ['a store', 'a store', 'another'].map((id) => new Hints(transport, id, silent));
    for (const [name, hints] of Object.entries({ a: a!, b: b!, other: other! }))
      await hints.hear((hint) => heard.push(`${name} ${hint}`), signal);
    a!.send('grown');
    await turns();
    assert.deepEqual(heard, ['b grown']);
  });

  it('are heard once the transport is there, and not after the end', async () => {
    const listeners: (() => void)[] = [];
    let away = true;
    let ends = 0;
    const tried = Promise.withResolvers<void>();
    const transport: Transport = {
      kind: 'test',
      publish: async () => {},
      async subscribe(_topic, listener) {
        tried.resolve();
        if (away) throw new Error('away');
        listeners.push(() => listener({ key: 'a store', value: 'grown elsewhere' }));
        return async () => void ends++;
      },
    };
    const ended = new AbortController();
    const heard: string[] = [];
    const hearing = new Hints(transport, 'a store', silent).hear((hint) => heard.push(hint), ended.signal);
    await tried.promise;
    away = false;
    await hearing;
    for (const tell of listeners) tell();
    assert.deepEqual(heard, ['grown']);
    ended.abort();
    assert.equal(ends, 1);
  });
});
