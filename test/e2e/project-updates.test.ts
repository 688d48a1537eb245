import assert from 'node:assert/strict';
import apiPlugin from '../../plugins/api/plugin.ts';
import logPlugin from '../../plugins/log/plugin.ts';
import projectPlugin from '../../plugins/project/plugin.ts';
import { placeOf, ResumeTokens } from '../../plugins/project/stream/resume-token.ts';
import { Issue } from '../../proto/gen/issue/v1/issue.ts';
import {
  Project,
  ProjectMember,
  type ProjectUpdate,
  type StreamProjectUpdatesResponse,
  Workflow,
} from '../../proto/gen/project/v1/project.ts';
import { configured } from '../support/configured.ts';
import { orderedLog } from '../support/replay.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';
import { streamUpdates } from '../support/update-stream.ts';

type Message = StreamProjectUpdatesResponse;
type Case = NonNullable<Message['message']>['$case'];

const is =
  (kind: Case) =>
  ({ message }: Message) =>
    message?.$case === kind;
const updatesIn = (messages: readonly Message[]): ProjectUpdate[] =>
  messages.flatMap(({ message }) => (message?.$case === 'update' ? [message.value] : []));
/** Fits the update of this entity's kind of change. */
const updateOf =
  (entity: string, kind: string, entityId?: string) =>
  ({ message }: Message) =>
    message?.$case === 'update' &&
    message.value.entity === entity &&
    message.value.kind === kind &&
    (entityId === undefined || message.value.entityId === entityId);

describe('StreamProjectUpdates', () => {
  let tracker: Tracker;
  beforeEach(async () => {
    tracker = await startTracker();
  });
  afterEach(() => tracker.stop());

  const open = (request: Parameters<typeof streamUpdates>[1] = {}) => streamUpdates(tracker.grpcPort, request);
  const opened = async (request: Parameters<typeof streamUpdates>[1] = {}) => {
    await orderedLog(tracker);
    const stream = open(request);
    await stream.until(is('heartbeat'));
    return stream;
  };
  const post = async (path: string, body: object) => (await tracker.http('POST', path, body)).body;
  const project = async (key: string): Promise<string> =>
    (await post('/v1/projects', { name: `Project ${key}`, key })).project.id;
  const issue = async (projectId: string, summary = 'An issue'): Promise<string> =>
    (await post('/v1/issues', { projectId, summary })).issue.id;

  it('tells how many issues a project has, and how many of them are open', async () => {
    const stream = await opened();
    const id = await project('CORE');
    const issueId = await issue(id);
    await issue(id);
    await tracker.http('POST', `/v1/issues/${issueId}:transition`, { status: 'RESOLVED', resolution: 'FIXED' });
    await stream.until(updateOf('issue', 'UPDATED'));
    assert.deepEqual(
      updatesIn(stream.messages).map(({ issueCount, openIssueCount }) => [issueCount, openIssueCount]),
      [
        [0, 0],
        [1, 1],
        [2, 2],
        [2, 1],
      ],
    );
    stream.close();
  });

  it('tells each change with who, when, what, the entity after it and the counts', async () => {
    const stream = await opened();
    const user = (await post('/v1/users', { name: 'Test', email: 'test@example.com' })).user.id;
    const id = await project('CORE');
    await post(`/v1/projects/${id}/members`, { userId: user, role: 'OWNER' });
    const issueId = await issue(id);
    await tracker.http('PATCH', `/v1/issues/${issueId}`, { summary: 'Another', priority: 'CRITICAL' });
    await tracker.http('PATCH', `/v1/projects/${id}/workflow`, { resolutions: ['FIXED', 'OTHER'] });
    await tracker.http('DELETE', `/v1/issues/${issueId}`);
    await stream.until(updateOf('issue', 'DELETED'));
    const updates = updatesIn(stream.messages);
    assert.deepEqual(
      updates.map(({ entity, kind, revision, ordinal, issueCount }) => [
        entity,
        kind,
        Number(revision),
        ordinal,
        issueCount,
      ]),
      [
        ['project', 'CREATED', 1, 0, 0],
        ['project_member', 'CREATED', 2, 0, 0],
        ['issue', 'CREATED', 3, 0, 1],
        ['issue', 'UPDATED', 4, 0, 1],
        ['workflow', 'UPDATED', 5, 0, 1],
        ['issue', 'DELETED', 6, 0, 0],
      ],
    );
    for (const { projectId, eventId, time } of updates) {
      assert.equal(projectId, id);
      assert.match(eventId, /^[0-9a-f-]{36}$/);
      assert.ok(Math.abs(Number(time?.seconds) - Date.now() / 1000) < 60);
    }
    const [created, member, , changed, workflow, deleted] = updates;
    assert.deepEqual(changed!.changedFields, ['summary', 'priority']);
    assert.equal(deleted!.after, undefined);
    assert.equal(deleted!.entityId, issueId);
    const shownAs = ({ after }: ProjectUpdate, type: string) => {
      assert.equal(after?.typeUrl, `type.googleapis.com/${type}`);
      return after!.value;
    };
    const shown = Issue.decode(shownAs(changed!, 'issuepb.Issue'));
    assert.deepEqual([shown.key, shown.summary, shown.priority, shown.etag], ['CORE-1', 'Another', 'CRITICAL', '2']);
    const first = Project.decode(shownAs(created!, 'projectpb.Project'));
    assert.deepEqual([first.key, first.revision, first.etag], ['CORE', 1n, '1']);
    assert.equal(ProjectMember.decode(shownAs(member!, 'projectpb.ProjectMember')).role, 'OWNER');
    assert.deepEqual(Workflow.decode(shownAs(workflow!, 'projectpb.Workflow')), {
      ...Workflow.fromPartial((await tracker.http('GET', `/v1/projects/${id}/workflow`)).body.workflow),
    });
    stream.close();
  });

  it('tells a transaction whole, with a token behind its last update alone, and resumes after it', async () => {
    const [a, b] = [await project('AA'), await project('BB')];
    for (let i = 0; i < 3; i++) await issue(a);
    const stream = await opened({ projectIds: [a] });
    const begin = stream.token;
    await tracker.http('DELETE', `/v1/projects/${a}?force=true`);
    await stream.until(updateOf('project', 'DELETED'));
    const told = stream.messages.filter(is('update'));
    assert.deepEqual(
      told.map(({ resumeToken }) => resumeToken !== ''),
      [false, false, false, true],
    );
    assert.equal(new Set(updatesIn(told).map(({ transactionId }) => transactionId)).size, 1);
    await issue(b);
    stream.close();

    // Also of a project that is gone by now.
    const again = open({ projectIds: [a], resumeToken: begin });
    await again.until(updateOf('project', 'DELETED'));
    assert.deepEqual(updatesIn(again.messages), updatesIn(told));
    const all = open({ resumeToken: stream.token });
    const { message } = await all.until(is('update'));
    assert.ok(message?.$case === 'update' && message.value.projectId === b);
    all.close();
    again.close();
  });

  it('tells of the asked projects alone; of all, also of those that are made meanwhile', async () => {
    const [a, b] = [await project('AA'), await project('BB')];
    const one = await opened({ projectIds: [b.toUpperCase()] });
    const all = await opened();
    const c = await project('CC');
    for (const id of [a, b, c]) await issue(id);
    const issueId = await issue(a);
    await tracker.http('POST', `/v1/issues/${issueId}:move`, { projectId: b });
    await one.until(updateOf('issue', 'UPDATED'));
    await all.until(
      ({ message }) => message?.$case === 'update' && message.value.kind === 'UPDATED' && message.value.projectId === b,
    );
    assert.deepEqual(
      updatesIn(one.messages).map(({ projectId, kind }) => [projectId, kind]),
      [
        [b, 'CREATED'],
        [b, 'UPDATED'],
      ],
    );
    assert.deepEqual(
      updatesIn(all.messages).map(({ projectId }) => projectId),
      [c, a, b, c, a, ...[a, b]],
    );
    assert.equal(one.token, all.token, 'the token is the place in the log, whatever is asked for');
    one.close();
    all.close();
  });

  it('shows the projects as they are, then what has changed since, nothing twice, while others change them', async () => {
    const ids = await Promise.all(Array.from({ length: 230 }, (_, i) => project(`P${i}`)));
    let busy = true;
    const work = (async () => {
      for (let i = 0; busy; i++) await issue(ids[(i * 37) % ids.length]!);
    })();
    const streams = await Promise.all(Array.from({ length: 4 }, () => opened({ includeSnapshot: true })));
    const id = await project('LAST');
    busy = false;
    await work;
    for (const stream of streams) {
      await stream.until(updateOf('project', 'CREATED', id));
      const known = new Map<string, { revision: bigint; ordinal: number; issues: number }>();
      for (const { message, resumeToken } of stream.messages) {
        if (message?.$case === 'snapshot') {
          assert.equal(resumeToken, '');
          known.set(message.value.id, {
            revision: message.value.revision,
            ordinal: 9,
            issues: message.value.issueCount,
          });
        } else if (message?.$case === 'update') {
          const { projectId, revision, ordinal, issueCount } = message.value;
          const before = known.get(projectId) ?? { revision: 0n, ordinal: 9, issues: 0 };
          assert.deepEqual([revision, ordinal], [before.revision + 1n, 0], 'missing, or told twice');
          known.set(projectId, { revision, ordinal, issues: issueCount });
        }
      }
      assert.equal(stream.messages.filter(is('snapshot')).length, 230);
      stream.close();
    }
  });

  it('refuses what is no token, one of another store, one ahead of the log, and one beside a snapshot', async () => {
    const log = await orderedLog(tracker);
    const tokens = new ResumeTokens(log.storeId());
    const token = tokens.write(placeOf(await log.newest()));
    const ends = async (request: Parameters<typeof streamUpdates>[1]) => {
      const { code, reason } = await open(request).ended;
      return [code, reason];
    };
    const damaged = `${token.slice(0, 4)}${token[4] === 'A' ? 'B' : 'A'}${token.slice(5)}`;
    for (const resumeToken of ['x', damaged, `${token}=`, token.slice(1)])
      assert.deepEqual(await ends({ resumeToken }), [3, 'INVALID_FIELD'], resumeToken);
    const other = new ResumeTokens('another').write(placeOf({ seq: 0, id: '' }));
    assert.deepEqual(await ends({ resumeToken: other }), [11, 'RESUME_TOKEN_OF_ANOTHER_STORE']);
    assert.deepEqual(await ends({ resumeToken: tokens.write(placeOf({ seq: 10, id: '' })) }), [
      11,
      'RESUME_TOKEN_AHEAD',
    ]);
    assert.deepEqual(await ends({ resumeToken: token, includeSnapshot: true }), [3, 'INVALID_FIELD']);
  });

  it('refuses projects that do not exist, by their place in the request', async () => {
    const [a, gone] = [await project('AA'), await project('GONE')];
    await tracker.http('DELETE', `/v1/projects/${gone}`);
    const { code, reason, message } = await open({ projectIds: [a, a, gone] }).ended;
    assert.deepEqual([code, reason], [3, 'PROJECT_NOT_FOUND']);
    assert.match(message, /^project_ids\[2\]: must be the id of an existing project/);
    const none = await open({ projectIds: ['CORE'] }).ended;
    assert.deepEqual([none.code, none.reason], [3, 'INVALID_FIELD']);
  });

  it('ends with UNAVAILABLE and where to resume when the server stops', async () => {
    const [idle, busy] = [await opened(), await opened()];
    const id = await project('CORE');
    await busy.until(updateOf('project', 'CREATED', id));
    await idle.until(updateOf('project', 'CREATED', id));
    await tracker.stop();
    for (const stream of [idle, busy]) {
      const { code, reason, resumeToken } = await stream.ended;
      assert.deepEqual([code, reason, resumeToken], [14, 'SHUTTING_DOWN', stream.token]);
    }
    tracker = await startTracker();
  });
});

describe('StreamProjectUpdates with small bounds', () => {
  const start = (log: object, project: object) =>
    startTracker({}, { replace: { log: configured(logPlugin, log), project: configured(projectPlugin, project) } });

  it('sends heartbeats while nothing happens, each with a token that counts what the stream left out', async () => {
    const tracker = await start({}, { heartbeatMs: 100 });
    const [a, b] = await Promise.all(
      ['AA', 'BB'].map(async (key) => (await tracker.http('POST', '/v1/projects', { name: key, key })).body.project.id),
    );
    await orderedLog(tracker);
    const stream = streamUpdates(tracker.grpcPort, { projectIds: [a] });
    const first = await stream.until(is('heartbeat'));
    await tracker.http('POST', '/v1/issues', { projectId: b, summary: 'Elsewhere' });
    const log = await orderedLog(tracker);
    const token = new ResumeTokens(log.storeId()).write(placeOf(await log.newest()));
    await stream.until(({ resumeToken }) => resumeToken === token);
    assert.notEqual(first.resumeToken, token);
    assert.ok(stream.messages.length >= 2 && stream.messages.every(is('heartbeat')));
    stream.close();
    await tracker.stop();
  });

  it('says that a token has expired when what followed it is no longer kept, and how to begin anew', async () => {
    const tracker = await start({ maxEvents: 5, trimMs: 10 }, {});
    const stream = streamUpdates(tracker.grpcPort, {});
    const { resumeToken } = await stream.until(is('heartbeat'));
    stream.close();
    for (let i = 0; i < 20; i++) await tracker.http('POST', '/v1/projects', { name: `P${i}`, key: `P${i}` });
    const log = await orderedLog(tracker);
    while (
      await log.read({ after: 0 }).then(
        () => true,
        () => false,
      )
    )
      await new Promise(setImmediate);
    const { code, reason, message, resumeToken: none } = await streamUpdates(tracker.grpcPort, { resumeToken }).ended;
    assert.deepEqual([code, reason, none], [11, 'RESUME_TOKEN_EXPIRED', '']);
    assert.match(message, /include_snapshot/);
    const anew = streamUpdates(tracker.grpcPort, { includeSnapshot: true });
    await anew.until(is('heartbeat'));
    assert.equal(anew.messages.filter(is('snapshot')).length, 20);
    anew.close();
    await tracker.stop();
  });

  it('resumes from a token whose own event is no longer kept, where all that followed it is', async () => {
    const tracker = await start({ maxEvents: 1, trimMs: 10 }, { heartbeatMs: 100 });
    await tracker.http('POST', '/v1/projects', { name: 'Core', key: 'CORE' });
    const log = await orderedLog(tracker);
    const { seq } = await log.newest();
    const stream = streamUpdates(tracker.grpcPort, {});
    const { resumeToken } = await stream.until(is('heartbeat'));
    stream.close();
    await tracker.http('POST', '/v1/users', { name: 'Test', email: 'test@example.com' });
    while ((await log.newest(seq)).seq > 0) await new Promise(setImmediate);
    const resumed = streamUpdates(tracker.grpcPort, { resumeToken });
    const token = new ResumeTokens(log.storeId()).write(placeOf(await log.newest()));
    await resumed.until((message) => message.resumeToken === token);
    assert.ok(resumed.messages.every(is('heartbeat')));
    resumed.close();
    await tracker.stop();
  });

  it('ends a stream that takes nothing, with where to resume, and no other; nothing is missed', async () => {
    const tracker = await startTracker(
      {},
      {
        replace: {
          project: configured(projectPlugin, { maxQueuedUpdates: 20 }),
          api: configured(apiPlugin, { maxStreams: 2 }),
        },
      },
    );
    const { id } = (await tracker.http('POST', '/v1/projects', { name: 'Core', key: 'CORE' })).body.project;
    await orderedLog(tracker);
    const [slow, fast] = [streamUpdates(tracker.grpcPort, {}), streamUpdates(tracker.grpcPort, {})];
    await Promise.all([slow, fast].map((stream) => stream.until(is('heartbeat'))));
    const full = await streamUpdates(tracker.grpcPort, {}).ended;
    assert.deepEqual([full.code, full.reason], [8, 'TOO_MANY_CALLS']);
    slow.pause();
    const description = 'x'.repeat(20_000);
    let count = 0;
    let ended = false;
    void slow.ended.then(() => {
      ended = true;
    });
    // Until the connection's own buffers are full, and the queue.
    while (count < 300) {
      await tracker.http('POST', '/v1/issues', { projectId: id, summary: 'Long', description });
      count += 1;
    }
    await fast.until(({ message }) => message?.$case === 'update' && message.value.revision === BigInt(count + 1));
    assert.equal(ended, false, 'its end is behind what it has not taken, but the server is done with it');
    const third = streamUpdates(tracker.grpcPort, {});
    await third.until(is('heartbeat'));
    third.close();
    slow.resume();
    const { code, reason, resumeToken } = await slow.ended;
    assert.deepEqual([code, reason, resumeToken], [8, 'SLOW_CONSUMER', slow.token]);
    const had = updatesIn(slow.messages);
    assert.ok(had.length < count, `${had.length} updates`);

    const rest = streamUpdates(tracker.grpcPort, { resumeToken });
    const whole = (messages: readonly Message[]) => updatesIn(messages).map(({ revision }) => Number(revision));
    await rest.until(({ message }) => message?.$case === 'update' && message.value.revision === BigInt(count + 1));
    assert.deepEqual([...whole(slow.messages), ...whole(rest.messages)], whole(fast.messages));
    rest.close();
    fast.close();
    await tracker.stop();
  });
});
