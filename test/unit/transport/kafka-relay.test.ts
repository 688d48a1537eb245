import assert from 'node:assert/strict';
import { type ChangeLog, changesTable, historyTable } from '../../../core/contracts/log.ts';
import type { Store } from '../../../core/contracts/store.ts';
import { uuidv7 } from '../../../core/lib/uuid.ts';
import { Cluster } from '../../../plugins/transport-kafka/cluster.ts';
import { Position, relayTable } from '../../../plugins/transport-kafka/relay/position.ts';
import { Relay } from '../../../plugins/transport-kafka/relay/relay.ts';
import { kafkaSettings } from '../../../plugins/transport-kafka/settings.ts';
import { strictStorage } from '../../support/strict-store.ts';
import { commit, scopes, startLog } from '../log/support.ts';
import { recordingLogger, setUp } from '../plugin-context.ts';

const prefix = 'issue-tracker';
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const { signal } = new AbortController();

/** A relay that has failed once, with so many events in the log. */
async function failed(events: number) {
  const { instance, release } = await setUp(strictStorage().plugin, { config: undefined });
  instance.start({
    tables: [scopes, changesTable, historyTable, relayTable].map((value) => ({ plugin: 'test', value })),
  });
  const store: Store = instance.provides.store;
  const id = uuidv7();
  await store.write((tx) => tx.table(scopes).insert({ id, revision: 0 }));
  for (let n = 0; n < events; n++) await commit(store, [id], [`${n}:0`]);
  const { log: changeLog, stop } = await startLog(store);
  const log = recordingLogger();
  const cluster = new Cluster(kafkaSettings.parse({}), log);
  const writer = () => {
    throw new Error('away');
  };
  const relay = new Relay({ store, changeLog: changeLog as ChangeLog, cluster, partitions: 1, prefix, writer, log });
  const ended = new AbortController();
  const running = relay.run(ended.signal);
  while (!log.lines.some(({ level }) => level === 'warn')) await turn();
  return {
    relay,
    /** As the instance does that holds the lease meanwhile. */
    async otherSends(seq: number) {
      const position = new Position(store, prefix);
      await position.read(signal);
      await position.write(seq, signal);
    },
    async close() {
      ended.abort();
      await running;
      await stop();
      await release();
    },
  };
}

describe('a relay that could not send', () => {
  it('is not well while events wait', async () => {
    const { relay, close } = await failed(2);
    assert.equal(await relay.isWell(signal), false);
    await close();
  });

  it('is well when another instance has sent what waited', async () => {
    const { relay, otherSends, close } = await failed(2);
    await otherSends(1);
    assert.equal(await relay.isWell(signal), true);
    await close();
  });

  it('is well where nothing waits', async () => {
    const { relay, close } = await failed(0);
    assert.equal(await relay.isWell(signal), true);
    await close();
  });
});
