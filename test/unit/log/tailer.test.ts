import assert from 'node:assert/strict';
import type { Change } from '../../../core/contracts/log.ts';
import type { Transport } from '../../../core/contracts/transport.ts';
import type { Logger } from '../../../core/kernel/index.ts';
import { Hints } from '../../../plugins/log/hints.ts';
import { Tailer } from '../../../plugins/log/tailer.ts';

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

  it('goes on where it was when the log could not be read', async () => {
    let broken = true;
    const log = logOf({ fail: () => broken });
    const tailer = new Tailer(log, silent);
    await tailer.open();
    const heard: number[] = [];
    tailer.follow((changes) => heard.push(...changes.map(({ seq }) => seq)));
    log.seq = 2;
    tailer.wake();
    await turns();
    assert.deepEqual(heard, []);
    broken = false;
    tailer.wake();
    await turns();
    assert.deepEqual(heard, [1, 2]);
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
  it('have one on its way at a time, and one more for all that came meanwhile', async () => {
    let release = () => {};
    let sent = 0;
    const transport: Transport = {
      kind: 'test',
      publish() {
        sent += 1;
        return new Promise((resolve) => {
          release = resolve;
        });
      },
      subscribe: async () => async () => {},
    };
    const hints = new Hints(transport, 'a store', silent);
    for (let i = 0; i < 1000; i += 1) hints.send();
    await turns();
    assert.equal(sent, 1);
    release();
    await turns();
    assert.equal(sent, 2);
    release();
    await turns();
    assert.equal(sent, 2);
  });
});
