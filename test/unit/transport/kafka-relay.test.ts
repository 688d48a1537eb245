import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type Change, changesTable, historyTable } from '../../../core/contracts/log.ts';
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

/** What is to be ended after the test, whatever becomes of it. */
const opened: (() => Promise<void>)[] = [];

/** A relay that has said that events wait, with so many in the log. Where there are no brokers, it cannot even begin. */
async function failed(events: number, { brokers, lateMs }: { brokers?: string[]; lateMs?: number } = {}) {
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
  const cluster = new Cluster(kafkaSettings.parse({ brokers }), log);
  const writer = () => {
    if (!brokers) throw new Error('away');
    const write = (change: Change) => {
      const { id } = change;
      return { change, topic: cluster.topic('projects'), key: id, value: id, headers: {} };
    };
    return { write, bare: ({ change }: { readonly change: Change }) => write(change) };
  };
  const relay = new Relay({
    ...{ store, changeLog, cluster, partitions: 1, prefix, writer, log },
    ...(lateMs === undefined ? {} : { lateMs }),
  });
  const ended = new AbortController();
  const running = relay.run(ended.signal);
  while (!log.lines.some(({ level }) => level === 'warn')) await turn();
  opened.push(async () => {
    ended.abort();
    await running;
    await stop();
    await release();
  });
  return {
    relay,
    lines: log.lines,
    /** As the instance does that holds the lease meanwhile. */
    async otherSends(seq: number) {
      const position = new Position(store, prefix);
      await position.read(signal);
      await position.write(seq, signal);
    },
  };
}

describe('a relay that could not send', () => {
  afterEach(async () => {
    for (const close of opened.splice(0)) await close();
  });

  it('is not well while events wait', async () => {
    const { relay } = await failed(2);
    assert.equal(await relay.isWell(signal), false);
  });

  it('is well when another instance has sent what waited', async () => {
    const { relay, otherSends } = await failed(2);
    await otherSends(1);
    assert.equal(await relay.isWell(signal), true);
  });

  it('is well where nothing waits', async () => {
    const { relay } = await failed(0);
    assert.equal(await relay.isWell(signal), true);
  });

  it('is not well as soon as a broker that accepts connections is late with an answer, before it has given up', async () => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => sockets.add(socket.on('error', () => {}))).listen(0, '127.0.0.1');
    await once(server, 'listening');
    opened.push(async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const brokers = [`127.0.0.1:${(server.address() as AddressInfo).port}`];
    const { relay, lines, otherSends } = await failed(1, { brokers, lateMs: 20 });
    const warnings = lines.flatMap(({ level, fields }) => (level === 'warn' ? [fields] : []));
    assert.deepEqual(warnings, [{ reason: 'it does not answer' }]);
    assert.equal(await relay.isWell(signal), false);
    await otherSends(1);
    assert.equal(await relay.isWell(signal), true);
  });
});
