import { join, relative } from 'node:path';
import { startServer } from '../support/server-process.ts';
import { streamUpdates } from '../support/update-stream.ts';
import { delivery } from './delivery.ts';
import { httpClient } from './http-client.ts';
import { median, onServerCore } from './machine.ts';
import type { BenchOptions, Row, Section } from './section.ts';
import { StreamConnection } from './stream-client.ts';

const CONNECTIONS = 100;
const BATCH = 500;

/** What waits until so many messages have come. */
class Tally {
  count = 0;
  #waiting: { readonly wanted: number; readonly resolve: () => void } | undefined;

  add(messages: number): void {
    this.count += messages;
    if (this.#waiting && this.count >= this.#waiting.wanted) this.#waiting.resolve();
  }

  until(wanted: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.count >= wanted) resolve();
      else this.#waiting = { wanted, resolve };
    });
  }
}

/** One change told to many idle streams, what an idle stream takes, and a stream that resumes over many changes. */
export async function streams(options: BenchOptions): Promise<Section> {
  const { quick } = options;
  const plugin = `./${relative(process.cwd(), join(import.meta.dirname, 'loop-delay.ts'))}`;
  const variables = { SEED_USER_COUNT: '0', SEED_PROJECT_COUNT: '0', PLUGINS: plugin };
  const server = await startServer(variables, { prefix: onServerCore });
  const { post, text } = httpClient(server.httpPort);
  const connections: StreamConnection[] = [];
  for (let i = 0; i < CONNECTIONS; i++) connections.push(await StreamConnection.open(server.grpcPort));
  const projectId = (await post('/v1/projects', { name: 'Core', key: 'CORE' })).project.id;
  const issue = { projectId, summary: 'A summary of some sixty characters, as they are in practice' };
  for (let i = 0; i < 200; i++) await post('/v1/issues', issue);

  const rows: Row[] = [];
  const heard = new Tally();
  const before = server.memory();
  let open = 0;
  for (const wanted of quick ? [1, 100, 1000] : [1, 100, 1000, 10_000]) {
    const begun = heard.count;
    for (let i = open; i < wanted; i++) connections[i % CONNECTIONS]!.stream({}, (messages) => heard.add(messages));
    // Each begins with a heartbeat.
    await heard.until(begun + wanted - open);
    open = wanted;
    const times: number[] = [];
    await text('/loop-delay');
    for (let i = 0; i < 11; i++) {
      const all = heard.count + open;
      const since = performance.now();
      await post('/v1/issues', issue);
      await heard.until(all);
      times.push(performance.now() - since);
    }
    rows.push({
      name: `a create over HTTP, until ${open} idle streams have its update`,
      value: median(times),
      unit: 'ms',
      ...(open === 10_000 && { target: { atMost: 1500 } }),
    });
    rows.push({
      name: '  the longest that the event loop stood still meanwhile',
      value: Number(await text('/loop-delay')),
      unit: 'ms',
      ...(open === 10_000 && { target: { atMost: 50 } }),
    });
  }
  rows.push({
    name: `resident memory for each of ${open} idle streams`,
    value: ((server.memory() - before) * 1024) / open,
    unit: 'KiB',
    ...(!quick && { target: { atMost: 25 } }),
  });
  for (const connection of connections) connection.close();

  const changes = quick ? 10_000 : 100_000;
  const reader = await StreamConnection.open(server.grpcPort);
  const first = streamUpdates(server.grpcPort, {});
  const { resumeToken } = await first.until((message) => message.resumeToken !== '');
  first.close();
  const live = new Tally();
  const watcher = await StreamConnection.open(server.grpcPort);
  watcher.stream({ resumeToken }, (messages) => live.add(messages));
  await live.until(1);
  const began = performance.now();
  for (let i = 0; i < changes; i += BATCH)
    await post('/v1/issues:batchCreate', { atomic: true, requests: Array.from({ length: BATCH }, () => issue) });
  await live.until(changes + 1);
  rows.push({
    name: 'updates a second of one stream while they are made, in batches of 500 over HTTP',
    value: (changes / (performance.now() - began)) * 1000,
    unit: '/s',
  });
  watcher.close();
  const rates: number[] = [];
  for (let round = 0; round < 4; round++) {
    const told = new Tally();
    const since = performance.now();
    reader.stream({ resumeToken }, (messages) => told.add(messages));
    await told.until(changes);
    rates.push((changes / (performance.now() - since)) * 1000);
  }
  rows.push({
    name: `updates a second of one stream that resumes over ${changes}`,
    value: median(rates.slice(1)),
    unit: '/s',
    ...(!quick && { target: { atLeast: 20_000 } }),
  });
  reader.close();
  await server.stop();
  rows.push(...(await delivery(options)));
  return { title: 'Streams of updates', rows };
}
