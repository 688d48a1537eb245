import assert from 'node:assert/strict';
import { type Call, type Policy, service } from '../../../core/contracts/api.ts';
import type { Clock } from '../../../core/contracts/clock.ts';
import { changesTable, historyTable } from '../../../core/contracts/log.ts';
import { type Store, store, type WriteTransaction } from '../../../core/contracts/store.ts';
import { defineTable, tables, text, uuid } from '../../../core/contracts/tables.ts';
import { definePlugin, type Plugin } from '../../../core/kernel/index.ts';
import { systemClock } from '../../../core/lib/time.ts';
import { uuidv7 } from '../../../core/lib/uuid.ts';
import { answerOnce, writeOnce } from '../../../core/lib/write-once.ts';
import { Answers, answersTable } from '../../../plugins/api/answers.ts';
import { MemdbStore } from '../../../plugins/storage-memdb/memdb-store.ts';
import { bytesOf, definitionOf, descriptors, type EchoRequest, messageOf } from '../../fixtures/echo/echo.ts';
import {
  type Booted,
  bootWith,
  contributor,
  decodeStatus,
  ECHO,
  failure,
  origin,
  resumeTime,
  stopTime,
  turn,
} from './support.ts';

const things = defineTable({ name: 'things', columns: { id: uuid(), text: text() }, primaryKey: ['id'] });
const write: Policy = { access: 'anyone', effect: 'write' };
const read: Policy = { access: 'anyone', effect: 'read' };

/** A store that several instances share. */
function sharedStore(clock: Clock = systemClock): MemdbStore {
  const memdb = new MemdbStore({ clock });
  memdb.open([things, answersTable, changesTable, historyTable]);
  return memdb;
}

function providing(memdb: Store): Plugin {
  return definePlugin({
    name: 'shared',
    kernel: '^1.0.0',
    provides: { store },
    collects: { tables },
    setup: () => ({ provides: { store: memdb } }),
  });
}

type Echo = (request: EchoRequest, call: Call) => unknown;

/** An instance whose Echo writes. */
function instance(memdb: Store, echo: Echo, config: object = {}): Promise<Booted> {
  const definition = definitionOf('echopb.EchoService');
  const handlers = { echo, count: async function* () {} };
  const contribution = service({ definition, descriptors, handlers, policy: { echo: write, count: read } } as never);
  return bootWith([providing(memdb), contributor('echo', contribution)], config);
}

const inserting =
  (memdb: Store, before: (tx: WriteTransaction) => Promise<void> = async () => {}): Echo =>
  (request, call) =>
    answerOnce(
      call,
      (id: string) => ({ text: id }),
      (caller) =>
        writeOnce(memdb, caller, async (tx) => {
          await before(tx);
          return (await tx.table(things).insert({ id: uuidv7(), text: request.text })).id;
        }),
    );

const send = ({ api, method }: Booted, key: string, options: { text?: string; deadline?: number } = {}) => {
  const header = (name: string) => (name === 'idempotency-key' ? key : undefined);
  const request = bytesOf('EchoRequest', { text: options.text ?? 'hello' });
  const { deadline } = options;
  return api
    .unary(method(ECHO), request, origin({ header, ...(deadline === undefined ? {} : { deadline }) }))
    .then((bytes) => messageOf<{ text: string }>('EchoResponse', bytes).text);
};

const count = (memdb: Store) => memdb.read((tx) => tx.table(things).count());

describe('idempotency', () => {
  const booted: Booted[] = [];
  const boot = async (memdb: Store, echo: Echo, config: object = {}) => {
    const one = await instance(memdb, echo, config);
    booted.push(one);
    return one;
  };
  afterEach(async () => {
    resumeTime();
    for (const { running } of booted.splice(0)) await running.stop();
  });

  it('makes a twin wait for the call that is under way, and gives it the same answer', async () => {
    const memdb = sharedStore();
    const gate = Promise.withResolvers<void>();
    const one = await boot(
      memdb,
      inserting(memdb, () => gate.promise),
    );
    const calls = [send(one, 'k'), send(one, 'k'), send(one, 'k')];
    await turn();
    gate.resolve();
    const [first, second, third] = await Promise.all(calls);
    assert.deepEqual([second, third], [first, first]);
    assert.equal(await count(memdb), 1);
  });

  it('tells a twin that waited until its deadline to try again, as ABORTED', async () => {
    const memdb = sharedStore();
    const gate = Promise.withResolvers<void>();
    const one = await boot(
      memdb,
      inserting(memdb, () => gate.promise),
    );
    const first = send(one, 'k');
    const late = failure(send(one, 'k', { deadline: stopTime() + 300 }));
    await turn();
    // It learns so before its deadline, which would be all that it learnt.
    resumeTime(299);
    const error = await late;
    assert.deepEqual([error.code, error.reason], ['ABORTED', 'TWIN_IN_FLIGHT']);
    assert.ok(decodeStatus(error.status).retry, 'RetryInfo');
    gate.resolve();
    await first;
    assert.equal(await count(memdb), 1);
  });

  it('waits for a handler that goes on after its own caller has gone', async () => {
    const memdb = sharedStore();
    const gate = Promise.withResolvers<void>();
    let runs = 0;
    const one = await boot(memdb, async (request, call) => {
      runs += 1;
      if (runs === 1) await gate.promise;
      return inserting(memdb)(request, call);
    });
    const controller = new AbortController();
    const header = () => 'k';
    const request = bytesOf('EchoRequest', { text: 'hello' });
    const gone = failure(one.api.unary(one.method(ECHO), request, origin({ header, signal: controller.signal })));
    await turn();
    controller.abort();
    assert.equal((await gone).code, 'CANCELLED');
    const second = send(one, 'k');
    await turn();
    assert.equal(runs, 1, 'the second waits while the first is still at work');
    gate.resolve();
    await second;
    assert.deepEqual([runs, await count(memdb)], [2, 1]);
  });

  it('refuses another request with the key of a call that is under way, once that has its answer', async () => {
    const memdb = sharedStore();
    const gate = Promise.withResolvers<void>();
    const one = await boot(
      memdb,
      inserting(memdb, () => gate.promise),
    );
    const first = send(one, 'k');
    const other = failure(send(one, 'k', { text: 'another' }));
    await turn();
    gate.resolve();
    await first;
    assert.equal((await other).reason, 'KEY_REUSED');
    assert.equal(await count(memdb), 1);
  });

  it('lets a waiting twin run when the first one fails', async () => {
    const memdb = sharedStore();
    let runs = 0;
    const one = await boot(memdb, (request, call) => {
      runs += 1;
      if (runs === 1) throw new Error('the first one fails');
      return inserting(memdb)(request, call);
    });
    const [first, second, third] = await Promise.allSettled([send(one, 'k'), send(one, 'k'), send(one, 'k')]);
    assert.equal(first?.status, 'rejected');
    assert.deepEqual([second?.status, third?.status, runs], ['fulfilled', 'fulfilled', 2]);
    assert.equal(await count(memdb), 1);
  });

  it('makes one of two calls on two instances, and gives both its answer', async () => {
    const memdb = sharedStore();
    const [a, b] = [await boot(memdb, inserting(memdb)), await boot(memdb, inserting(memdb))];
    for (let i = 0; i < 20; i++) {
      const [first, second] = await Promise.all([send(a, `k${i}`), send(b, `k${i}`)]);
      assert.equal(first, second);
    }
    assert.equal(await count(memdb), 20);
  });

  it('gives the answer of a twin on another instance also where its effect is what makes this call fail', async () => {
    const memdb = sharedStore();
    const unique = defineTable({ name: 'things', columns: { id: uuid(), text: text() }, primaryKey: ['id'] });
    const id = uuidv7();
    const once: Echo = (_, call) =>
      answerOnce(
        call,
        (row: string) => ({ text: row }),
        (caller) =>
          writeOnce(memdb, caller, async (tx) => (await tx.table(unique).insert({ id, text: call.requestId })).text),
      );
    const [a, b] = [await boot(memdb, once), await boot(memdb, once)];
    const [first, second] = await Promise.all([send(a, 'k'), send(b, 'k')]);
    assert.equal(first, second);
  });

  it('stores neither effect nor answer when the transaction fails at its end', async () => {
    const memdb = sharedStore();
    let fail = true;
    const one = await boot(memdb, (request, call) =>
      answerOnce(
        call,
        (id: string) => ({ text: id }),
        (caller) =>
          memdb.write(async (tx) => {
            const { id } = await tx.table(things).insert({ id: uuidv7(), text: request.text });
            await caller.done?.(tx, id);
            if (fail) throw new Error('after everything');
            return id;
          }),
      ),
    );
    await assert.rejects(send(one, 'k'));
    assert.equal(await count(memdb), 0);
    fail = false;
    await send(one, 'k');
    assert.equal(await count(memdb), 1);
  });

  it('deletes answers by itself once they are over', async () => {
    let now = systemClock.now();
    const memdb = sharedStore({ now: () => now });
    const one = await boot(memdb, inserting(memdb), { answersKeptMs: 1000, answersPurgeMs: 10 });
    await send(one, 'k1');
    now += 999_000;
    await send(one, 'k2');
    now += 2000;
    const kept = () => memdb.read(async (tx) => (await tx.table(answersTable).find()).rows.map(({ key }) => key));
    while ((await kept()).includes('k1')) await turn();
    assert.deepEqual(await kept(), ['k2']);
  });

  it('deletes no answer that has taken the place of an old one between its look and its lock', async () => {
    let now = systemClock.now();
    const memdb = sharedStore({ now: () => now });
    const one = await boot(memdb, inserting(memdb), { answersKeptMs: 1000 });
    await send(one, 'k');
    const old = await memdb.read((tx) => tx.table(answersTable).find());
    now += 2_000_000;
    const second = await send(one, 'k');
    // What was found before the lock is what a statement before it saw.
    const late = Object.create(memdb, {
      write: {
        value: (fn: (tx: WriteTransaction) => Promise<unknown>) =>
          memdb.write((tx) => {
            const table = Object.create(tx.table(answersTable), { find: { value: async () => old } });
            return fn(Object.create(tx, { table: { value: () => table }, now: { value: tx.now } }));
          }),
      },
      lease: { value: memdb.lease.bind(memdb) },
    });
    await new Answers(late, 1000).purge(new AbortController().signal);
    assert.equal(await send(one, 'k'), second);
    assert.equal(await count(memdb), 2);
  });

  it('says in the log when a method does not keep its answer', async () => {
    const memdb = sharedStore();
    const one = await boot(memdb, () => ({ text: 'forgetful' }));
    assert.equal(await send(one, 'k'), 'forgetful');
    assert.ok(one.lines.some((line) => JSON.stringify(line).includes('did not keep its answer')));
  });

  it('refuses a key where no store is enabled', async () => {
    const definition = definitionOf('echopb.EchoService');
    const handlers = { echo: () => ({}), count: async function* () {} };
    const contribution = service({ definition, descriptors, handlers, policy: { echo: write, count: read } } as never);
    const one = await bootWith([contributor('echo', contribution)]);
    booted.push(one);
    const error = await failure(send(one, 'k'));
    assert.deepEqual([error.code, error.reason], ['FAILED_PRECONDITION', 'IDEMPOTENCY_UNSUPPORTED']);
  });
});
