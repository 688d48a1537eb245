import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { DomainError } from '../contracts/errors.ts';
import type { Transport, TransportMessage } from '../contracts/transport.ts';
import { defineSuite, type Exclusions, type Suite, type TestRunner } from './suite.ts';

export interface TransportConformance {
  readonly name: string;
  /** Opens a transport; after `close` it is as when its plugin was stopped. */
  open(): Promise<{ readonly transport: Transport; close(): Promise<void> }>;
  readonly exclude?: Exclusions;
}

interface Subject {
  readonly transport: Transport;
  /** Of this test alone. */
  readonly topic: string;
  close(): Promise<void>;
}

/** What every transport promises, see core/contracts/transport.ts. */
export function transportConformance(runner: TestRunner, { name, open, exclude }: TransportConformance): void {
  const withSubject = async (test: (subject: Subject) => Promise<void>) => {
    const { transport, close } = await open();
    let closed: Promise<void> | undefined;
    const closeOnce = () => {
      closed ??= close();
      return closed;
    };
    try {
      await test({ transport, topic: `conformance-${randomUUID()}`, close: closeOnce });
    } finally {
      await closeOnce();
    }
  };
  defineSuite(runner, `transport '${name}'`, suite, withSubject, exclude);
}

/** A listener that records, once what comes twice (delivery is at least once), and says when a value has come. */
function inbox() {
  const values: string[] = [];
  const waiting = new Map<string, () => void>();
  return {
    values,
    listener: ({ value }: TransportMessage) => {
      if (!values.includes(value)) values.push(value);
      waiting.get(value)?.();
    },
    until: (value: string) =>
      new Promise<void>((resolve) => {
        if (values.includes(value)) resolve();
        else waiting.set(value, resolve);
      }),
  };
}

const unavailable = (error: unknown) => error instanceof DomainError && error.code === 'UNAVAILABLE';

const suite: Suite<Subject> = {
  async 'brings a message to every subscriber of its topic, at the publishing instance too'({ transport, topic }) {
    const [one, two, other] = [inbox(), inbox(), inbox()];
    await transport.subscribe(topic, one.listener);
    await transport.subscribe(topic, two.listener);
    await transport.subscribe(`${topic}-other`, other.listener);
    await transport.publish(topic, { key: 'k', value: 'hello' });
    await transport.publish(`${topic}-other`, { key: 'k', value: 'there' });
    await Promise.all([one.until('hello'), two.until('hello'), other.until('there')]);
    assert.deepEqual([one.values, two.values, other.values], [['hello'], ['hello'], ['there']]);
  },

  async 'brings key and value as they are'({ transport, topic }) {
    const message = { key: 'clé:1 ', value: '{"text":"naïve \u{1f600}\\n"}\n' };
    const got = Promise.withResolvers<TransportMessage>();
    await transport.subscribe(topic, got.resolve);
    await transport.publish(topic, message);
    assert.deepEqual(await got.promise, message);
  },

  async 'keeps the order of the messages of a key'({ transport, topic }) {
    const box = inbox();
    await transport.subscribe(topic, box.listener);
    const sent: Promise<void>[] = [];
    for (let n = 0; n < 200; n++)
      for (const key of ['a', 'b']) sent.push(transport.publish(topic, { key, value: `${key}${n}` }));
    await Promise.all(sent);
    await Promise.all([box.until('a199'), box.until('b199')]);
    for (const key of ['a', 'b'])
      assert.deepEqual(
        box.values.filter((value) => value.startsWith(key)),
        Array.from({ length: 200 }, (_, n) => `${key}${n}`),
      );
  },

  async 'keeps the order also when a listener publishes'({ transport, topic }) {
    const box = inbox();
    await transport.subscribe(topic, ({ value }) => {
      if (value === 'first') transport.publish(topic, { key: 'k', value: 'second' }).catch(() => {});
    });
    await transport.subscribe(topic, box.listener);
    await transport.publish(topic, { key: 'k', value: 'first' });
    await box.until('second');
    assert.deepEqual(box.values, ['first', 'second']);
  },

  async 'brings nothing that was published before the subscription'({ transport, topic }) {
    const early = inbox();
    await transport.subscribe(topic, early.listener);
    await transport.publish(topic, { key: 'k', value: 'old' });
    await early.until('old');
    const late = inbox();
    await transport.subscribe(topic, late.listener);
    await transport.publish(topic, { key: 'k', value: 'new' });
    await late.until('new');
    assert.deepEqual(late.values, ['new']);
  },

  async 'brings nothing after the end of a subscription, and leaves the others alone'({ transport, topic }) {
    const [ended, stays] = [inbox(), inbox()];
    const end = await transport.subscribe(topic, ended.listener);
    await transport.subscribe(topic, stays.listener);
    await end();
    await end();
    await transport.publish(topic, { key: 'k', value: 'later' });
    await stays.until('later');
    assert.deepEqual(ended.values, []);
  },

  async 'counts one listener that subscribes twice as two subscriptions'({ transport, topic }) {
    const box = inbox();
    const end = await transport.subscribe(topic, box.listener);
    await transport.subscribe(topic, box.listener);
    await end();
    await transport.publish(topic, { key: 'k', value: 'hello' });
    await box.until('hello');
    assert.deepEqual(box.values, ['hello']);
  },

  async 'is not disturbed by a listener that throws'({ transport, topic }) {
    const box = inbox();
    await transport.subscribe(topic, () => {
      throw new Error('a careless listener');
    });
    await transport.subscribe(topic, box.listener);
    await transport.publish(topic, { key: 'k', value: 'one' });
    await transport.publish(topic, { key: 'k', value: 'two' });
    await box.until('two');
    assert.deepEqual(box.values, ['one', 'two']);
  },

  async 'publishes to a topic that nobody has subscribed to'({ transport, topic }) {
    await transport.publish(topic, { key: 'k', value: 'nobody hears' });
  },

  async 'throws unavailable after it was closed'({ transport, topic, close }) {
    await close();
    await assert.rejects(transport.publish(topic, { key: 'k', value: 'v' }), unavailable);
    await assert.rejects(
      transport.subscribe(topic, () => {}),
      unavailable,
    );
  },
};
