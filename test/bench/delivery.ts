import { setTimeout } from 'node:timers/promises';
import { Issue } from '../../proto/gen/issue/v1/issue.ts';
import { type ServerProcess, startServer } from '../support/server-process.ts';
import { findPostgres } from '../support/services/postgres.ts';
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

  const database = await (await findPostgres())?.createDatabase();
  if (!database) return rows;
  const variables = { ...NOTHING, ...database.variables };
  const [first, second] = [await startServer(variables), await startServer(variables)];
  rows.push(...(await measure('one of two instances, PostgreSQL', first, first, options)));
  rows.push(...(await measure('the other instance, by polling', first, second, options)));
  await second.stop();
  await first.stop();
  await database.drop();
  return rows;
}

/**
 * From the moment at which a create is sent over HTTP, which is before its commit, until the client of a gRPC stream has
 * decoded its update.
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
  const times: number[] = [];
  const count = quick ? 200 : 2_000;
  const all = Promise.withResolvers<void>();
  const stream = streamUpdates(reader.grpcPort, { projectIds: [projectId] }, ({ message }) => {
    if (message?.$case !== 'update' || !message.value.after) return;
    const { summary } = Issue.decode(message.value.after.value);
    const since = sent.get(summary);
    if (since !== undefined) times.push(performance.now() - since);
    if (times.length === count) all.resolve();
  });
  await stream.until(({ resumeToken }) => resumeToken !== '');
  const create = (summary: string) => post('/v1/issues', { projectId, summary });
  for (let n = 0; n < 200; n++) await create(`before ${n}`);
  const answers: Promise<unknown>[] = [];
  const began = performance.now();
  for (let n = 0; n < count; n++) {
    sent.set(`issue ${n}`, performance.now());
    answers.push(create(`issue ${n}`));
    const ahead = (n + 1) * PACE_MS - (performance.now() - began);
    if (ahead > 0) await setTimeout(ahead);
    // Where the machine is too busy for that pace, no queue grows.
    await answers[n - MOST_AT_A_TIME];
  }
  await Promise.all([...answers, all.promise]);
  stream.close();
  const sorted = times.toSorted((a, b) => a - b);
  const row = (part: number) => ({
    name: `a create sent, until a stream has its update: ${name}, p${part * 100}`,
    value: quantile(sorted, part),
    unit: 'ms',
  });
  return [row(0.5), { ...row(0.99), ...(p99 !== undefined && !quick && { target: { atMost: p99 } }) }];
}
