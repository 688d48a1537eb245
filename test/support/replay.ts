import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { type Change, type ChangeLog, changeLog, changesTable } from '../../core/contracts/log.ts';
import { isNull } from '../../core/contracts/query.ts';
import { store } from '../../core/contracts/store.ts';
import { formatRfc3339 } from '../../core/lib/time.ts';
import { defaultWorkflow } from '../../plugins/project/workflow.ts';
import type { Tracker } from './tracker.ts';

type Fields = Readonly<Record<string, unknown>>;

/** The columns that history does not record, by entity: keys, times, and what follows from another column. */
const unrecorded: Readonly<Record<string, readonly string[]>> = {
  user: ['id', 'email_key', 'created_at', 'updated_at', 'version'],
  project: ['id', 'created_at', 'updated_at', 'version'],
  project_member: ['project_id', 'created_at', 'updated_at', 'version'],
  workflow: ['project_id', 'created_at', 'updated_at', 'version'],
  issue: ['id', 'number', 'priority_rank', 'created_at', 'updated_at', 'version'],
};
/** The columns that the API does not show. */
const unshown = ['number', 'priority_rank', 'email_key', 'version'];

/** A workflow as its events show it. */
interface WorkflowFields {
  readonly types: readonly string[];
  readonly priorities: readonly string[];
  readonly resolutions: readonly string[];
  readonly statuses: readonly {
    readonly name: string;
    readonly category: string;
    readonly guards: readonly string[];
  }[];
}
const { defaultPriority, initialStatus, assignedStatus, unassignedStatus, ...parts } = defaultWorkflow;
const defaultFields = {
  ...parts,
  default_priority: defaultPriority,
  initial_status: initialStatus,
  assigned_status: assignedStatus,
  unassigned_status: unassignedStatus,
  version: 0,
};

/** More events than the order is ever behind. */
const MANY = 10_000;

/** The log, when every event that was committed before has its place in the order. */
export async function orderedLog(tracker: Tracker): Promise<ChangeLog> {
  const events = tracker.service(store);
  const unordered = async () =>
    (await events.read((tx) => tx.table(changesTable).find({ where: isNull('seq'), limit: MANY }))).rows;
  // Others may go on, so that there is always one that waits: those that are told here are from before.
  const waiting = new Set((events.shared ? await unordered() : []).map(({ id }) => id));
  while (waiting.size > 0) {
    const left = new Set((await unordered()).map(({ id }) => id));
    for (const id of waiting) if (!left.has(id)) waiting.delete(id);
    await setImmediate();
  }
  return tracker.service(changeLog);
}

export async function readLog(tracker: Tracker): Promise<readonly Change[]> {
  const log = await orderedLog(tracker);
  const changes: Change[] = [];
  for (;;) {
    const next = await log.read({ after: changes.at(-1)?.seq ?? 0 });
    if (next.length === 0) return changes;
    changes.push(...next);
  }
}

/** What there is after the events so far: rows by id, for each entity. */
export class Replay {
  readonly users = new Map<string, Fields>();
  readonly projects = new Map<string, Fields>();
  readonly members = new Map<string, Fields>();
  readonly issues = new Map<string, Fields>();
  /** Those that are not the default one, by project. */
  readonly workflows = new Map<string, Fields>();
  /** The last event of each scope. */
  readonly scopes = new Map<string, Change>();
  /** The last issue number of each project. */
  readonly #numbers = new Map<string, number>();
  /** Every key that an issue has or had, and whose it is. */
  readonly keys = new Map<string, string>();
  /** The events of the transaction that is being replayed. */
  #transaction: Change[] = [];
  #last: Change | undefined;

  /** Asserts everything that one event promises, and takes it over. What holds after its transaction: see `settle`. */
  apply(change: Change): void {
    if (this.#last?.transaction !== change.transaction) this.settle();
    this.#transaction.push(change);
    const where = nameOf(change);
    this.#checkPlace(change, where);
    const rows = this.#rows(change.entity);
    const implied = change.entity === 'workflow' ? { ...defaultFields, created_at: change.time } : undefined;
    const before: Fields | undefined = rows.get(change.entityId) ?? implied;
    const after = change.after as Fields | null;
    this.#checkRow(change, before, where);
    if (change.entity === 'issue' && before && after && change.scope !== scopeOf(after)) {
      // It left this project; the event of the one that it came to follows, and is the same but for its scope.
      assert.equal(change.scope, scopeOf(before), `${where}: a move is told where it came from`);
      assert.ok(
        !this.projects.get(before['project_id'] as string)?.['archived'],
        `${where}: nothing leaves an archive`,
      );
      this.#last = change;
      return;
    }
    if (change.entity === 'issue' && after) this.#checkIssue(change, before, after, where);
    if (change.entity === 'project_member' && after) {
      const user = this.users.get(after['user_id'] as string);
      assert.ok(before || user?.['is_active'], `${where}: an active user becomes a member`);
      assert.ok(this.projects.has(after['project_id'] as string), `${where}: its project exists`);
    }
    if (after) rows.set(change.entityId, after);
    else rows.delete(change.entityId);
    if (!after) this.#checkLetGo(change, where);
    this.#last = change;
  }

  /** Asserts what holds after a transaction, whatever the order of its events. */
  settle(): void {
    const events = this.#transaction.splice(0);
    const scopes = new Map(events.map((change) => [change.scope, change]));
    for (const [scope, change] of scopes) {
      if (!scope.startsWith('project_scopes/')) continue;
      // The counts are those after the transaction; the last event of a revision must have them.
      const { issue_count, open_issue_count } = (change.context ?? {}) as Fields;
      const counts = this.counts(scope.slice('project_scopes/'.length));
      assert.deepEqual({ issue_count, open_issue_count }, counts, `${nameOf(change)}: its counts`);
    }
    for (const change of events) {
      const { entity, entityId, after } = change;
      if (entity === 'issue' && after && change.scope !== scopeOf(after as Fields))
        assert.ok(
          events.some((other) => other.scope === scopeOf(after as Fields) && isDeepStrictEqual(other.after, after)),
          `${nameOf(change)}: it is told in the other project too`,
        );
      if (entity === 'issue' && after) this.#checkRules(after as Fields, nameOf(change));
      if (entity === 'workflow')
        for (const issue of this.issues.values())
          if (issue['project_id'] === entityId) this.#checkRules(issue, nameOf(change), 'ranked anew');
    }
  }

  workflow(projectId: string): WorkflowFields {
    return (this.workflows.get(projectId) ?? defaultFields) as unknown as WorkflowFields;
  }

  counts(projectId: string): { readonly issue_count: number; readonly open_issue_count: number } {
    const issues = [...this.issues.values()].filter((issue) => issue['project_id'] === projectId);
    const { statuses } = this.workflow(projectId);
    const done = statuses.filter(({ category }) => category === 'DONE').map(({ name }) => name);
    const open = issues.filter((issue) => !done.includes(issue['status'] as string));
    return { issue_count: issues.length, open_issue_count: open.length };
  }

  #rows(entity: string): Map<string, Fields> {
    const all: Readonly<Record<string, Map<string, Fields>>> = {
      user: this.users,
      project: this.projects,
      project_member: this.members,
      issue: this.issues,
      workflow: this.workflows,
    };
    assert.ok(all[entity], `an event is of a known entity, not of ${entity}`);
    return all[entity];
  }

  #checkPlace(change: Change, where: string): void {
    const last = this.#last;
    assert.equal(change.seq, (last?.seq ?? 0) + 1, `${where}: the log has no gap`);
    const inScope = this.scopes.get(change.scope);
    const { revision = 0, ordinal = 0, time = 0 } = inScope ?? {};
    if (inScope && inScope.transaction === change.transaction)
      assert.deepEqual([change.revision, change.ordinal], [revision, ordinal + 1], `${where}: one revision`);
    else {
      assert.deepEqual([change.revision, change.ordinal], [revision + 1, 0], `${where}: revisions have no gap`);
      assert.ok(change.time > time, `${where}: time goes on in ${change.scope}`);
    }
    this.scopes.set(change.scope, change);
  }

  #checkRow(change: Change, before: Fields | undefined, where: string): void {
    const { kind, entity, fields, time } = change;
    const after = change.after as Fields | null;
    assert.equal(kind === 'CREATED', before === undefined, `${where}: CREATED what was not there, the rest what was`);
    assert.equal(kind === 'DELETED', after === null, `${where}: only what is deleted has no row after it`);
    const recorded = Object.keys((after ?? before)!).filter((name) => !unrecorded[entity]!.includes(name));
    const differ = recorded.filter((name) =>
      before && after
        ? !isDeepStrictEqual(before[name], after[name])
        : !['', null].includes((after ?? before)![name] as string | null),
    );
    assert.deepEqual([...fields].sort(), differ.sort(), `${where}: fields names what differs`);
    if (!after) return;
    assert.equal(after['updated_at'], time, `${where}: updated_at is the time of the change`);
    assert.equal(after['created_at'], before?.['created_at'] ?? time, `${where}: created_at stays`);
    if (!before) return;
    assert.ok(differ.length > 0, `${where}: something changed`);
    assert.equal(after['version'], (before['version'] as number) + 1, `${where}: each change of the row has its event`);
  }

  #checkIssue(change: Change, before: Fields | undefined, after: Fields, where: string): void {
    const project = this.projects.get(after['project_id'] as string);
    assert.ok(project, `${where}: its project exists`);
    const assignee = after['assignee_id'] as string | null;
    if (assignee) assert.ok(this.users.has(assignee), `${where}: the assignee exists`);
    if (assignee && assignee !== before?.['assignee_id'])
      assert.ok(this.users.get(assignee)?.['is_active'], `${where}: nobody inactive is assigned anew`);
    if (project['archived'])
      // That the assignee's user is deleted is no change by a caller.
      assert.ok(before && assignee === null && before['assignee_id'], `${where}: no change while archived`);
    const key = after['key'] as string;
    assert.equal(this.keys.get(key) ?? change.entityId, change.entityId, `${where}: no other issue had its key`);
    this.keys.set(key, change.entityId);
    if (before?.['project_id'] === after['project_id']) {
      assert.equal(key, before?.['key'], `${where}: its key stays`);
      return;
    }
    const number = (this.#numbers.get(project['id'] as string) ?? 0) + 1;
    this.#numbers.set(project['id'] as string, number);
    assert.deepEqual([after['number'], after['key']], [number, `${project['key']}-${number}`], `${where}: no gap`);
  }

  /** That an issue is as its project's workflow wants it. A rank that changes with the workflow is in no event. */
  #checkRules(issue: Fields, where: string, ranked?: 'ranked anew'): void {
    const { types, priorities, resolutions, statuses } = this.workflow(issue['project_id'] as string);
    const { type, priority, priority_rank, resolution } = issue as Record<string, string>;
    const status = statuses.find(({ name }) => name === issue['status']);
    assert.ok(status, `${where}: the status is one of the workflow`);
    assert.ok(types.includes(type!) && priorities.includes(priority!), `${where}: so are type and priority`);
    if (!ranked) assert.equal(priority_rank, priorities.indexOf(priority!), `${where}: it has the priority's rank`);
    if (resolution !== null) {
      assert.ok(resolutions.includes(resolution!), `${where}: the resolution is one of the workflow`);
      assert.equal(status.category, 'DONE', `${where}: only what is done has a resolution`);
    }
    for (const [guard, field] of [
      ['ASSIGNEE', 'assignee_id'],
      ['RESOLUTION', 'resolution'],
    ] as const)
      if (status.guards.includes(guard)) assert.ok(issue[field], `${where}: ${status.name} has its ${field}`);
  }

  /** What is deleted has let go of everything before, each with its event. */
  #checkLetGo({ entity, entityId }: Change, where: string): void {
    const held = (rows: Map<string, Fields>, column: string) =>
      [...rows].filter(([, row]) => row[column] === entityId).map(([id]) => id);
    if (entity === 'user') {
      assert.deepEqual(held(this.issues, 'assignee_id'), [], `${where}: its issues were unassigned`);
      assert.deepEqual(held(this.members, 'user_id'), [], `${where}: its memberships were ended`);
    }
    if (entity === 'project') {
      assert.deepEqual(held(this.issues, 'project_id'), [], `${where}: its issues were deleted`);
      assert.deepEqual(held(this.members, 'project_id'), [], `${where}: its memberships were ended`);
      assert.ok(!this.workflows.has(entityId), `${where}: so was its workflow`);
    }
  }
}

function scopeOf(issue: Fields): string {
  return `project_scopes/${issue['project_id']}`;
}

function nameOf(change: Change): string {
  return `event ${change.seq}, ${change.kind} ${change.entity} ${change.entityId}`;
}

/** Replays the whole log, asserts its promises, and that the API shows what it ends in. Nothing may be under way. */
export async function checkLog(tracker: Tracker): Promise<readonly Change[]> {
  const changes = await readLog(tracker);
  const replay = new Replay();
  for (const change of changes) replay.apply(change);
  replay.settle();
  await checkShown(tracker, replay);
  for (const [key, id] of replay.keys) {
    const { status, body } = await tracker.http('GET', `/v1/issues/${key}`);
    assert.deepEqual([status, body.issue?.id], replay.issues.has(id) ? [200, id] : [404, undefined], `the key ${key}`);
  }
  const gone = changes.filter(
    ({ kind, entity }) => kind === 'DELETED' && ['user', 'project', 'issue'].includes(entity),
  );
  for (const { entity, entityId } of gone)
    assert.equal(
      (await tracker.http('GET', `/v1/${entity}s/${entityId}`)).status,
      404,
      `${entity} ${entityId} is gone`,
    );
  return changes;
}

async function checkShown(tracker: Tracker, replay: Replay): Promise<void> {
  const all = async (path: string, list: string, more = '') => {
    const items: Fields[] = [];
    let token = '';
    do {
      const { status, body } = await tracker.http('GET', `${path}?page_size=100&page_token=${token}${more}`);
      assert.equal(status, 200, JSON.stringify(body));
      items.push(...body[list]);
      token = body.nextPageToken;
    } while (token !== '');
    return items;
  };
  const same = (
    what: string,
    shown: readonly Fields[],
    rows: ReadonlyMap<string, Fields>,
    name = (row: Fields) => row['id'],
  ) => {
    assert.deepEqual(shown.map(name).sort(), [...rows.keys()].sort(), `the ${what} that are there`);
    for (const each of shown) {
      const row = rows.get(name(each) as string)!;
      for (const [column, value] of Object.entries(row).filter(([column]) => !unshown.includes(column)))
        assert.deepEqual(each[camel(column)] ?? '', show(column, value), `${column} of ${what} ${row['id']}`);
    }
  };
  /** As it is in the log, and issues sorted by it. */
  const checkWorkflow = async (projectId: string) => {
    const { workflow } = (await tracker.http('GET', `/v1/projects/${projectId}/workflow`)).body;
    const known = replay.workflow(projectId) as unknown as Fields;
    for (const [column, value] of Object.entries(known))
      if (!['created_at', 'updated_at', ...unshown].includes(column))
        assert.deepEqual(workflow[camel(column)], value, `${column} of the workflow of ${projectId}`);
    const sorted = await all(`/v1/projects/${projectId}/issues`, 'issues', '&order_by=priority');
    const ranks = sorted.map(({ priority }) => workflow.priorities.indexOf(priority));
    assert.deepEqual(ranks, ranks.toSorted(), 'issues sort by the rank of their priority');
  };
  const users = await all('/v2/users', 'users');
  same('users', users, replay.users);
  const projects = await all('/v1/projects', 'projects');
  same('projects', projects, replay.projects);
  const issues = await all('/v1/issues', 'issues');
  same('issues', issues, replay.issues);
  const members = await Promise.all(projects.map(({ id }) => all(`/v1/projects/${id}/members`, 'members')));
  same(
    'members',
    members.flat(),
    replay.members,
    (row) => `${row['projectId'] ?? row['project_id']}/${row['userId'] ?? row['user_id']}`,
  );

  for (const project of projects) {
    const { issue_count, open_issue_count } = replay.counts(project['id'] as string);
    const counted = [project['issueCount'], project['openIssueCount'], Number(project['revision'])];
    const { revision } = replay.scopes.get(`project_scopes/${project['id']}`)!;
    assert.deepEqual(counted, [issue_count, open_issue_count, revision], `the counts of project ${project['key']}`);
    await checkWorkflow(project['id'] as string);
  }
  // One by one they come through the cache.
  for (const [path, resource, list] of [
    ['/v2/users', 'user', users],
    ['/v1/projects', 'project', projects],
    ['/v1/issues', 'issue', issues],
  ] as const)
    for (const item of list)
      assert.deepEqual(
        (await tracker.http('GET', `${path}/${item['id']}`)).body[resource],
        item,
        `${resource}, got and listed`,
      );
}

function camel(column: string): string {
  return column.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function show(column: string, value: unknown): unknown {
  if (value === null) return '';
  return column.endsWith('_at') ? formatRfc3339(value as number) : value;
}
