import { setTimeout } from 'node:timers/promises';
import { Issue } from '../../proto/gen/issue/v1/issue.ts';
import { type ServerProcess, startServer } from '../support/server-process.ts';
import { findKafka } from '../support/services/kafka.ts';
import { findPostgres } from '../support/services/postgres.ts';
import { findRedis } from '../support/services/redis.ts';
import { streamUpdates } from '../support/update-stream.ts';
import { httpClient } from './http-client.ts';
import { onServerCore } from './machine.ts';
import type { BenchOptions, Row } from './section.ts';
import { quantile } from './timing.ts';

/** Milliseconds between two creates: a busy tracker, and no queue. */
const PACE_MS = 5;
const MOST_AT_A_TIME = 16;
const NOTHING = { SEED_USER_COUNT: '0', SEED_PROJECT_COUNT: '0' };

/** How long an update takes from the writer to one who listens, in one process and from one instance to another. */
export async function delivery(options: BenchOptions): Promise<Row[]> {
  const one = await startServer(NOTHING, { prefix: onServerCore });
  const rows = await measure('one process, memdb', one, one, options, 5);
  await one.stop();

  rows.push(...(await other('one of two instances on PostgreSQL', {}, options, { same: true })));
  rows.push(...(await other('the other instance, by polling', {}, options)));
  const redis = await (await findRedis())?.database();
  if (redis)
    rows.push(...(await other('the other instance, through Redis', redis, options, { kind: 'redis', p99: 20 })));
  const kafka = (await findKafka())?.topics();
  if (kafka)
    rows.push(...(await other('the other instance, through Kafka', kafka, options, { kind: 'kafka', p99: 100 })));
  return rows;
}

/** Two instances on one PostgreSQL, of which one writes and the other, or the same, has the stream. */
async function other(
  name: string,
  variables: Readonly<Record<string, string>>,
  options: BenchOptions,
  {
    kind = 'stream',
    same = false,
    p99,
  }: { readonly kind?: string; readonly same?: boolean; readonly p99?: number } = {},
): Promise<Row[]> {
  const database = await (await findPostgres())?.createDatabase();
  if (!database) return [];
  const all = { ...NOTHING, ...database.variables, ...variables, COMMUNICATION_METHOD: kind };
  const [first, second] = [await startServer(all), await startServer(all)];
  const rows = await measure(name, first, same ? first : second, options, p99);
  await second.stop();
  await first.stop();
  await database.drop();
  return rows;
}

/**
 * From the moment at which a create is sent over HTTP, until the client of a gRPC stream has decoded its update; and from
 * the answer to the create, which comes right after the commit, until then.
 */
async function measure(
  name: string,
  writer: ServerProcess,
  reader: ServerProcess,
  { quick }: BenchOptions,
  p99?: number,
): Promise<Row[]> {
  const { post } = httpClient(writer.httpPort);
  const projectId = (await post('/v1/projects', { name: 'Core' })).project.id;
  const sent = new Map<string, number>();
  const told = new Map<string, number>();
  const answered = new Map<string, number>();
  const count = quick ? 200 : 2_000;
  const all = Promise.withResolvers<void>();
  const stream = streamUpdates(reader.grpcPort, { projectIds: [projectId] }, ({ message }) => {
    if (message?.$case !== 'update' || !message.value.after) return;
    const { summary } = Issue.decode(message.value.after.value);
    if (sent.has(summary)) told.set(summary, performance.now());
    if (told.size === count) all.resolve();
  });
  await stream.until(({ resumeToken }) => resumeToken !== '');
  const create = (summary: string) => post('/v1/issues', { projectId, summary });
  for (let n = 0; n < 200; n++) await create(`before ${n}`);
  const answers: Promise<unknown>[] = [];
  const began = performance.now();
  for (let n = 0; n < count; n++) {
    const summary = `issue ${n}`;
    sent.set(summary, performance.now());
    answers.push(create(summary).then(() => answered.set(summary, performance.now())));
    const ahead = (n + 1) * PACE_MS - (performance.now() - began);
    if (ahead > 0) await setTimeout(ahead);
    // Where the machine is too busy for that pace, no queue grows.
    await answers[n - MOST_AT_A_TIME];
  }
  await Promise.all([...answers, all.promise]);
  stream.close();
  const since = (begin: ReadonlyMap<string, number>, part: number) => {
    const times = [...told].map(([summary, at]) => at - begin.get(summary)!);
    return quantile(
      times.sort((a, b) => a - b),
      part,
    );
  };
  const late = { name: '  later than the answer to the create, p99', value: since(answered, 0.99), unit: 'ms' };
  return [
    { name: `a create sent, until a stream has its update: ${name}, p50`, value: since(sent, 0.5), unit: 'ms' },
    { name: '  p99', value: since(sent, 0.99), unit: 'ms' },
    { ...late, ...(p99 !== undefined && !quick && { target: { atMost: p99 } }) },
  ];
}
