import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fromJson } from '@bufbuild/protobuf';
import { api } from '../../core/contracts/api.ts';
import { makeTopic, type PublishedEvents, readEvents, untilGroupHas } from '../support/kafka-events.ts';
import { kafka } from '../support/services/kafka.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';

type Topics = Readonly<Record<'KAFKA_BROKERS' | 'KAFKA_TOPIC_PREFIX', string>>;

describe('events in Kafka', () => {
  let topics: Topics;
  let tracker: Tracker;
  let events: PublishedEvents;

  before(async function () {
    topics = (await kafka(this)).topics();
    tracker = await startTracker({ COMMUNICATION_METHOD: 'kafka', KAFKA_PARTITIONS: '3', ...topics });
    await tracker.http('POST', '/v1/users', { name: 'Ada', email: 'ada@example.com' });
    events = await readEvents(topics);
  });
  after(async () => {
    await events?.end();
    await tracker?.stop();
  });

  const made = async (path: string, body: object) => (await tracker.http('POST', path, body)).body;
  const ofEntity = (id: string) => events.all.filter(({ value }) => value.entityId === id);

  it('says of each change what was done, to what, and how it is now', async () => {
    const { project } = await made('/v1/projects', { name: 'Engine', key: 'ENG' });
    const { issue } = await made('/v1/issues', { projectId: project.id, summary: 'Steam leaks' });
    await tracker.http('PATCH', `/v1/issues/${issue.id}`, { summary: 'Steam leaks badly' });
    await tracker.http('DELETE', `/v1/issues/${issue.id}`);
    await events.until(() => ofEntity(issue.id).length === 3);
    assert.deepEqual(
      ofEntity(issue.id).map(({ topic, key, value }) => [topic, key, value.kind, value.after?.summary]),
      [
        ['issues', project.id, 'CREATED', 'Steam leaks'],
        ['issues', project.id, 'UPDATED', 'Steam leaks badly'],
        ['issues', project.id, 'DELETED', undefined],
      ],
    );
    const [created, updated] = ofEntity(issue.id);
    assert.deepEqual(created!.value.after, { '@type': 'type.googleapis.com/issuepb.Issue', ...issue });
    assert.deepEqual(updated!.value.changedFields, ['summary']);
    assert.deepEqual(updated!.headers, {
      'event-id': updated!.value.eventId,
      entity: 'issue',
      kind: 'UPDATED',
      schema: 'eventspb.Event',
      'content-type': 'application/json',
    });
    await events.until((all) => all.some(({ value }) => value.entityId === project.id));
    const [first] = ofEntity(project.id);
    assert.deepEqual([first!.topic, first!.key, first!.value.after.key], ['projects', project.id, 'ENG']);
  });

  it('has users in a topic of their own, by their id', async () => {
    const { user } = await made('/v1/users', { name: 'Grace', email: 'grace@example.com' });
    await events.until(() => ofEntity(user.id).length === 1);
    const [{ topic, key, value }] = ofEntity(user.id) as [(typeof events.all)[number]];
    assert.deepEqual([topic, key, value.projectId, value.after.email], ['users', user.id, '', 'grace@example.com']);
    assert.equal(value.after['@type'], 'type.googleapis.com/userpb.v2.User');
  });

  it('is JSON of the message in proto/events/v1/events.proto, and of what it holds', () => {
    const { registry } = tracker.service(api);
    assert.ok(events.all.length > 0);
    for (const { value } of events.all) {
      const message = fromJson(registry.getMessage('eventspb.Event')!, value, { registry });
      assert.equal((message as unknown as { eventId: string }).eventId, value.eventId);
    }
  });

  it('gives a group of consumers the work to share: each issue is told once, in the order of its project', async () => {
    const example = join(import.meta.dirname, '../../docs/examples/kafka-consumer.mjs');
    const group = `${topics.KAFKA_TOPIC_PREFIX}-work`;
    const workers = [1, 2].map(() =>
      spawn(process.execPath, ['--disable-warning=TimeoutNegativeWarning', example], {
        env: { ...process.env, ...topics, GROUP: group },
      }),
    );
    const told: string[] = [];
    const enough = Promise.withResolvers<void>();
    for (const { stdout, stderr } of workers) {
      stderr.pipe(process.stderr);
      createInterface({ input: stdout }).on('line', (line) => {
        if (line.includes('task ')) told.push(line);
        if (told.length === 20) enough.resolve();
      });
    }
    await untilGroupHas(topics.KAFKA_BROKERS, group, workers.length);
    const both = await Promise.all(
      ['One', 'Two'].map((name) => made('/v1/projects', { name, key: name.toUpperCase() })),
    );
    for (let i = 0; i < 20; i++) await made('/v1/issues', { projectId: both[i % 2].project.id, summary: `task ${i}` });
    await enough.promise;
    for (const worker of workers) worker.kill('SIGTERM');
    await Promise.all(workers.map((worker) => worker.exitCode ?? once(worker, 'exit')));
    for (const [i, key] of ['ONE', 'TWO'].entries())
      assert.deepEqual(
        told.filter((line) => line.includes(` ${key}-`)),
        Array.from({ length: 10 }, (_, n) => `CREATED ${key}-${n + 1} task ${2 * n + i}`),
      );
  });
});

describe('events for a topic that takes less than brokers usually do', () => {
  it('come in smaller batches, and without the entity where that alone is too much', async function () {
    const broker = await kafka(this);
    const topics = broker.topics();
    await makeTopic(broker.brokers, `${topics.KAFKA_TOPIC_PREFIX}.issues`, { 'max.message.bytes': '6000' });
    const tracker = await startTracker({ COMMUNICATION_METHOD: 'kafka', ...topics });
    const { project } = (await tracker.http('POST', '/v1/projects', { name: 'Engine', key: 'ENG' })).body;
    const events = await readEvents(topics);
    const requests = [...Array(20).keys()].map((i) => ({
      projectId: project.id,
      summary: `issue ${i}`,
      description: 'x'.repeat(i === 7 ? 20_000 : 500),
    }));
    assert.equal((await tracker.http('POST', '/v1/issues:batchCreate', { requests, atomic: true })).status, 200);
    const ofIssues = () => events.all.filter(({ topic }) => topic === 'issues');
    await events.until(() => new Set(ofIssues().map(({ value }) => value.entityId)).size === 20);
    const told = new Map(ofIssues().map(({ value }) => [value.ordinal, value.after?.summary]));
    assert.deepEqual(
      [...told.values()],
      requests.map(({ summary }, i) => (i === 7 ? undefined : summary)),
    );
    while ((await tracker.http('GET', '/health')).body.events_status !== 'up') await new Promise(setImmediate);
    await events.end();
    await tracker.stop();
  });
});
