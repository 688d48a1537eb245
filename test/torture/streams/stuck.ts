import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StreamConnection } from '../../bench/stream-client.ts';
import { startServer } from '../../support/server-process.ts';
import { checkOrder, LAST, Listener } from '../../support/update-histories.ts';
import { streamUpdates } from '../../support/update-stream.ts';
import { send } from './send.ts';

const BATCH = 250;
/** Characters, so that what is not taken is more than buffers of the network hide. */
const LONG = 2_000;
const SLOW_CONSUMER = [8, 'SLOW_CONSUMER'];

interface Options {
  readonly each: number;
  /** How many updates may wait for a stream. */
  readonly waiting: number;
  /** In MiB: what the server may have grown by. */
  readonly growth: number;
}

/**
 * Streams that take nothing and as many that take everything, while more changes come than may wait. Asserts that those
 * that take have all, that the others are ended with where to resume and can, and that the server's memory is bounded.
 */
export async function stickStreams({ each, waiting, growth }: Options): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'tracker-stuck-'));
  const file = join(folder, 'tracker.yaml');
  writeFileSync(file, `plugins:\n  - use: project\n    config: { maxQueuedUpdates: ${waiting} }\n`);
  const server = await startServer({ SEED_USER_COUNT: '0', SEED_PROJECT_COUNT: '0', TRACKER_CONFIG: file });
  const fast: StreamConnection[] = [];
  try {
    const stuck = Array.from({ length: each }, () => streamUpdates(server.grpcPort, {}));
    await Promise.all(stuck.map((stream) => stream.until(({ resumeToken }) => resumeToken !== '')));
    for (const stream of stuck) stream.pause();
    const project = await send(server, '/v1/projects', { name: 'Core', key: 'CORE' });
    const projectId = project!.body.project.id;

    const changes = Math.ceil((waiting + 1_000) / BATCH) * BATCH;
    // The beginning's heartbeat, and the changes.
    const wanted = each * (1 + changes);
    let told = 0;
    const all = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const onMessages = (count: number) => {
      told += count;
      if (told >= each) begun.resolve();
      if (told >= wanted) all.resolve();
    };
    for (let i = 0; i < each; i++) fast.push(await StreamConnection.open(server.grpcPort));
    for (const connection of fast) connection.stream({}, onMessages);
    await begun.promise;
    const before = server.memory();
    const issue = { projectId, summary: 'An issue', description: 'x'.repeat(LONG) };
    const requests = Array.from({ length: BATCH }, () => issue);
    let most = 0;
    for (let made = 0; made < changes; made += BATCH) {
      const answer = await send(server, '/v1/issues:batchCreate', { requests, atomic: true });
      assert.equal(answer?.status, 200, JSON.stringify(answer));
      most = Math.max(most, server.memory() - before);
    }
    await all.promise;

    for (const stream of stuck) {
      stream.resume();
      const { code, reason, resumeToken } = await stream.ended;
      assert.deepEqual([code, reason, resumeToken], [...SLOW_CONSUMER, stream.token]);
    }
    const listener = new Listener();
    for (const message of stuck[0]!.messages) listener.hear(message);
    listener.cut();
    const rest = streamUpdates(server.grpcPort, { resumeToken: listener.token }, (message) => listener.hear(message));
    const end = (await send(server, '/v1/projects', { name: 'The last one', key: LAST }))!.body.project.id;
    await rest.until(({ message }) => message?.$case === 'update' && message.value.projectId === end);
    rest.close();
    assert.equal(listener.kept.length, changes + 2);
    checkOrder(listener.kept);
    assert.ok(most < growth, `the server grew by ${most} MiB`);
    return `${each} streams that take nothing, beside ${each} that took ${changes} changes of 2 KB each: ended with where to resume; the server grew by ${most} MiB`;
  } finally {
    for (const connection of fast) connection.close();
    await server.kill();
    rmSync(folder, { recursive: true });
  }
}
