import assert from 'node:assert/strict';
import { startTracker, type Tracker } from '../support/tracker.ts';
import { connect } from '../unit/rest/socket-client.ts';
import { type Body, eventsIn, openBody } from '../unit/rest/streaming.ts';

const PATH = '/v1/projects:stream';

// biome-ignore lint/suspicious/noExplicitAny: JSON of updates
type Message = any;

/** 'CORE-1 CREATED', for updates of issues. */
const told = (messages: readonly Message[]): string[] =>
  messages.flatMap(({ update }) => (update?.entity === 'issue' ? [`${update.after.key} ${update.kind}`] : []));
const tokenOf = (messages: readonly Message[]): string =>
  messages.findLast(({ resumeToken }) => resumeToken).resumeToken;

describe('StreamProjectUpdates over HTTP', () => {
  let tracker: Tracker;
  let projectId: string;
  before(async () => {
    tracker = await startTracker();
    const { body } = await tracker.http('POST', '/v1/projects', { name: 'Core', key: 'CORE' });
    projectId = body.project.id;
  });
  after(() => tracker.stop());

  let count = 0;
  /** Returns the key of the issue that it makes. */
  const issue = async (): Promise<string> => {
    const { body } = await tracker.http('POST', '/v1/issues', { projectId, summary: `Number ${++count}` });
    return body.issue.key;
  };
  const messagesIn = ({ text }: Pick<Body, 'text'>) => eventsIn(text).map(({ data }) => data as Message);

  it('resumes as server-sent events where it was cut, with Last-Event-ID', async () => {
    const open = (headers = {}) =>
      openBody(tracker.httpPort, 'GET', `${PATH}?include_snapshot=true`, { accept: 'text/event-stream', ...headers });
    const first = await open();
    await first.until('"heartbeat"');
    assert.equal(messagesIn(first)[0].snapshot.key, 'CORE');
    await issue();
    await first.until((text) => told(messagesIn({ text })).length === 1);
    const messages = messagesIn(first);
    first.cut();
    const ids = eventsIn(first.text).map(({ id }) => id);
    assert.equal(
      ids.findLast((id) => id),
      tokenOf(messages),
    );
    const [two, three] = [await issue(), await issue()];
    const second = await open({ 'last-event-id': tokenOf(messages) });
    await second.until((text) => told(messagesIn({ text })).length >= 2);
    assert.deepEqual(told(messagesIn(second)), [`${two} CREATED`, `${three} CREATED`]);
    assert.ok(messagesIn(second).every(({ snapshot }) => snapshot === undefined));
    second.cut();
  });

  it('resumes as lines of JSON, with resume_token', async () => {
    const open = (query = '') => openBody(tracker.httpPort, 'GET', PATH + query, {});
    const linesIn = ({ text }: Pick<Body, 'text'>): Message[] =>
      text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line).result);
    const first = await open();
    await first.until('\n');
    first.cut();
    const key = await issue();
    const second = await open(`?resume_token=${tokenOf(linesIn(first))}`);
    await second.until((text) => told(linesIn({ text })).length > 0);
    assert.deepEqual(told(linesIn(second)), [`${key} CREATED`]);
    second.cut();
  });

  it('resumes over a WebSocket, beside another subscription', async () => {
    const first = await connect(tracker.httpPort, PATH);
    first.send({ type: 'subscribe', id: 'all' });
    const { message } = await first.until(({ type }) => type === 'next');
    first.ws.terminate();
    const key = await issue();
    const second = await connect(tracker.httpPort, PATH);
    second.send({ type: 'subscribe', id: 'resumed', request: { resumeToken: message.resumeToken } });
    second.send({ type: 'subscribe', id: 'snapshot', request: { includeSnapshot: true, projectIds: [projectId] } });
    await second.until((one) => one.id === 'resumed' && one.message?.update !== undefined);
    await second.until((one) => one.id === 'snapshot' && one.message?.heartbeat !== undefined);
    const messagesOf = (id: string) => second.received.filter((one) => one.id === id).map((one) => one.message);
    assert.deepEqual(told(messagesOf('resumed')), [`${key} CREATED`]);
    assert.equal(messagesOf('snapshot')[0].snapshot.id, projectId);
    second.ws.close();
  });

  it('refuses a token of another store before the stream begins', async () => {
    const other = await startTracker();
    const body = await openBody(other.httpPort, 'GET', PATH, {});
    const [line = ''] = (await body.until('\n')).split('\n');
    body.cut();
    await other.stop();
    const headers = { accept: 'text/event-stream', 'last-event-id': JSON.parse(line).result.resumeToken };
    const refused = await openBody(tracker.httpPort, 'GET', PATH, headers);
    assert.equal(refused.status, 400);
    assert.match(await refused.ended, /RESUME_TOKEN_OF_ANOTHER_STORE/);
  });
});
