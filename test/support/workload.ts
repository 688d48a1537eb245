import assert from 'node:assert/strict';
import type { SeedRandom } from '../../core/contracts/seed.ts';
import { seededRandom } from '../../core/lib/random.ts';
import type { Tracker } from './tracker.ts';

/** The seed of this run: that of the variable TEST_SEED, or a new one. */
export function testSeed(): string {
  return process.env['TEST_SEED'] ?? String(Math.floor(Math.random() * 2 ** 32));
}

const STATUSES = ['NEW', 'REOPENED', 'ASSIGNED', 'IN_PROGRESS', 'RESOLVED', 'CLOSED', 'REVIEW'];
const RESOLUTIONS = ['FIXED', 'INVALID', 'WONTFIX', 'WORKSFORME'];
/** What becomes of a value that another workflow lacks; sometimes that is refused. */
const SUBSTITUTES: Readonly<Record<string, string>> = { type: 'BUG', status: 'RESOLVED', resolution: 'FIXED' };
const EXPECTED = [200, 400, 404, 409, 412];

/** How often each mutation is in a deck; every deck is played whole. */
const deck = {
  createUser: 1,
  createUserV2: 2,
  bulkCreateUsers: 1,
  updateUser: 1,
  updateUserV2: 1,
  deactivateUser: 1,
  reactivateUser: 2,
  deleteUser: 1,
  createProject: 2,
  createProjectWithKey: 1,
  updateProject: 2,
  archiveProject: 1,
  unarchiveProject: 2,
  deleteProject: 1,
  forceDeleteProject: 1,
  updateWorkflow: 6,
  addMember: 6,
  updateMember: 3,
  removeMember: 2,
  createIssue: 16,
  updateIssue: 10,
  assignIssue: 8,
  transitionIssue: 12,
  moveIssue: 8,
  deleteIssue: 3,
  batchCreateIssues: 3,
  batchUpdateIssues: 4,
} as const;
type Mutation = keyof typeof deck;
export const mutations = Object.keys(deck) as Mutation[];

/** How many of each mutation were accepted. */
export type Accepted = Readonly<Record<Mutation, number>>;

/**
 * Plays decks of mutations through the API, some at a time, each of things that an earlier one has made. Any may be
 * refused for what the others did, but none may fail: an answer that no caller should get is an assertion error.
 */
export async function runWorkload(
  tracker: Tracker,
  { seed, decks, lanes = 4 }: { readonly seed: string; readonly decks: number; readonly lanes?: number },
): Promise<Accepted> {
  const world = new World(tracker, seededRandom(seed));
  await world.begin();
  const accepted = Object.fromEntries(mutations.map((name) => [name, 0])) as Record<Mutation, number>;
  const cards = Array.from({ length: decks }, () => world.shuffled()).flat();
  const lane = async () => {
    for (let card = cards.pop(); card; card = cards.pop()) {
      const { status, body } = await world.play(card);
      assert.ok(EXPECTED.includes(status), `seed ${seed}: ${card} answers ${status}: ${JSON.stringify(body)}`);
      if (status === 200) accepted[card] += 1;
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return accepted;
}

// biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
const writtenOf = ({ results }: any) => results.flatMap(({ written }: any) => (written ? [written.issue] : []));

interface Known {
  /** Of its resource: '/v1/issues/...'. */
  readonly path: string;
  readonly id: string;
  readonly etag: string;
}

class World {
  readonly #tracker: Tracker;
  readonly #random: SeedRandom;
  readonly #users: Known[] = [];
  readonly #projects: Known[] = [];
  readonly #members: Known[] = [];
  readonly #issues: Known[] = [];
  #made = 0;

  constructor(tracker: Tracker, random: SeedRandom) {
    this.#tracker = tracker;
    this.#random = random;
  }

  /** Something for the first cards to work on. */
  async begin(): Promise<void> {
    for (const card of ['createUser', 'createUserV2', 'createProject', 'createProjectWithKey'] as const)
      for (let i = 0; i < 2; i += 1) await this.play(card);
  }

  shuffled(): Mutation[] {
    const cards = mutations.flatMap((name) => Array<Mutation>(deck[name]).fill(name));
    for (let i = cards.length - 1; i > 0; i -= 1) {
      const j = this.#random.integer(0, i);
      [cards[i], cards[j]] = [cards[j]!, cards[i]!];
    }
    return cards;
  }

  play(card: Mutation) {
    const n = ++this.#made;
    const { pick, integer } = this.#random;
    const nothing: Known = { path: '/v1/issues/NONE-1', id: '', etag: '' };
    const one = (list: readonly Known[]) => (list.length > 0 ? pick(list) : nothing);
    const [user, project, member, issue] = [this.#users, this.#projects, this.#members, this.#issues].map(one) as [
      Known,
      Known,
      Known,
      Known,
    ];
    const v2 = user.path.replace('/v1/', '/v2/');
    const text = { name: `Name ${n} ${pick(['ä', '😀', 'x'])}`, email: `User${n}@Example.com` };
    const some = <T>(values: readonly T[]) => (integer(0, 1) ? [pick(values)] : []);
    switch (card) {
      case 'createUser':
        return this.#make(this.#users, 'user', '/v1/users', text);
      case 'createUserV2':
        return this.#make(this.#users, 'user', '/v2/users', {
          ...text,
          firstName: 'F',
          timeZone: 'Asia/Tokyo',
          bio: `b ${n}`,
        });
      case 'updateUser':
        return this.#change(user, 'PATCH', user.path, pick([{ name: text.name }, { email: text.email }]));
      case 'updateUserV2':
        return this.#change(
          user,
          'PATCH',
          v2,
          pick([{ bio: `bio ${n}` }, { locale: 'de-AT', lastName: 'L' }, { name: text.name }]),
        );
      case 'deactivateUser':
        return this.#change(user, 'POST', `${v2}:deactivate`, {});
      case 'reactivateUser':
        return this.#change(user, 'POST', `${v2}:reactivate`, {});
      case 'deleteUser':
        return this.#drop(this.#users, user, pick([user.path, v2]));
      case 'createProject':
        return this.#make(this.#projects, 'project', '/v1/projects', { name: pick(['Core Engine', 'Web', text.name]) });
      case 'createProjectWithKey':
        return this.#make(this.#projects, 'project', '/v1/projects', { name: text.name, key: `K${n}` });
      case 'updateProject':
        return this.#change(project, 'PATCH', project.path, pick([{ name: text.name }, { description: `about ${n}` }]));
      case 'archiveProject':
        return this.#change(project, 'POST', `${project.path}:archive`, {});
      case 'unarchiveProject':
        return this.#change(project, 'POST', `${project.path}:unarchive`, {});
      case 'deleteProject':
        return this.#deleteProject(this.#projects.at(-1)!, n);
      case 'forceDeleteProject':
        return this.#drop(this.#projects, project, `${project.path}?force=true`);
      case 'updateWorkflow':
        return this.#changeWorkflow(project.path);
      case 'addMember': {
        const path = `${project.path}/members`;
        return this.#make(this.#members, 'member', path, { userId: user.id, role: pick(['', 'OWNER', 'VIEWER']) });
      }
      case 'updateMember':
        return this.#change(member, 'PATCH', member.path, { role: pick(['OWNER', 'MEMBER', 'VIEWER']) });
      case 'removeMember':
        return this.#drop(this.#members, member, member.path);
      case 'bulkCreateUsers': {
        // Two of a hundred times an address that another call wants at the same time.
        const email = (i: number) => (integer(0, 99) < 2 ? 'Taken@Example.com' : `Bulk${n}.${i}@Example.com`);
        const requests = Array.from({ length: integer(1, 3) }, (_, i) => ({ name: text.name, email: email(i) }));
        return this.#makeAll(this.#users, '/v2/users:bulkCreate', { requests }, ({ users }) => users);
      }
      case 'createIssue':
        return this.#make(this.#issues, 'issue', '/v1/issues', this.#newIssue(project, n));
      case 'batchCreateIssues': {
        const requests = Array.from({ length: integer(1, 4) }, () => this.#newIssue(one(this.#projects), n));
        const body = { requests, atomic: integer(0, 2) === 0 };
        return this.#makeAll(this.#issues, '/v1/issues:batchCreate', body, writtenOf);
      }
      case 'updateIssue':
        return this.#change(issue, 'PATCH', issue.path, this.#issueChange(n));
      case 'batchUpdateIssues': {
        const requests = Array.from({ length: integer(1, 5) }, () => {
          const { id, etag } = one(this.#issues);
          const change = pick<object>([this.#issueChange(n), { assigneeId: pick(['', user.id]) }]);
          return { id: id || 'NONE-1', ...change, ...(integer(0, 4) === 0 && { etag }) };
        });
        return this.#tracker.http('POST', '/v1/issues:batchUpdate', { requests, atomic: integer(0, 2) === 0 });
      }
      case 'assignIssue':
        return this.#change(issue, 'PATCH', issue.path, { assigneeId: pick(['', user.id, user.id]) });
      case 'transitionIssue': {
        const [assigneeId] = some([user.id]);
        const status = pick(STATUSES);
        const done = status === 'RESOLVED' || status === 'CLOSED';
        return this.#change(issue, 'POST', `${issue.path}:transition`, {
          status,
          ...(assigneeId && { assigneeId }),
          ...(done && integer(0, 3) && { resolution: pick(RESOLUTIONS) }),
        });
      }
      case 'moveIssue':
        return this.#moveIssue(issue, project);
      case 'deleteIssue':
        return this.#drop(this.#issues, issue, issue.path);
    }
  }

  #newIssue(project: Known, n: number): object {
    const { pick, integer } = this.#random;
    const some = <T>(values: readonly T[]) => (integer(0, 1) ? [pick(values)] : []);
    const [status] = some(STATUSES);
    const [assigneeId] = some(this.#users.map(({ id }) => id));
    return {
      projectId: project.id,
      summary: `Issue ${n}`,
      ...(status && { status }),
      ...(assigneeId && { assigneeId }),
      ...((status === 'RESOLVED' || status === 'CLOSED') && { resolution: pick(RESOLUTIONS) }),
      ...(integer(0, 1) && { dueAt: '2031-02-03T04:05:06.000007Z', priority: 'MINOR', type: 'FEATURE' }),
    };
  }

  #issueChange(n: number): object {
    const { pick } = this.#random;
    return pick<object>([
      { summary: `Summary ${n}`, description: `text ${n}` },
      { priority: pick(['CRITICAL', 'MINOR']), type: 'COSMETIC' },
      { dueAt: pick([null, '2030-01-01T00:00:00Z']) },
      { resolution: pick(RESOLUTIONS) },
    ]);
  }

  async #makeAll(
    list: Known[],
    path: string,
    body: object,
    // biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
    madeOf: (body: any) => { readonly id: string; readonly etag: string }[],
  ) {
    const answer = await this.#tracker.http('POST', path, body);
    const resource = path.replace('/v2/', '/v1/').replace(/:.*/, '');
    if (answer.status === 200)
      for (const { id, etag } of madeOf(answer.body)) list.push({ id, etag, path: `${resource}/${id}` });
    return answer;
  }

  async #make(list: Known[], resource: string, path: string, body: object) {
    const answer = await this.#tracker.http('POST', path, body);
    const made = answer.body[resource];
    if (answer.status === 200) {
      const id = made.id ?? `${made.projectId}/${made.userId}`;
      list.push({ id, etag: made.etag, path: `${path.replace('/v2/', '/v1/')}/${made.id ?? made.userId}` });
    }
    return answer;
  }

  /** Sometimes with the etag that the thing had when it was made. */
  #change({ etag }: Known, method: string, path: string, body: object) {
    const condition = etag !== '' && this.#random.integer(0, 4) === 0;
    return this.#tracker.http(method, path, body, condition ? { 'if-match': `"${etag}"` } : {});
  }

  /** Where the other project's workflow lacks values, again with what they may become. */
  async #moveIssue(issue: Known, project: Known) {
    const move = (mappings: readonly object[]) =>
      this.#change(issue, 'POST', `${issue.path}:move`, { projectId: project.id, mappings });
    const answer = await move([]);
    const info = answer.body.error?.details.find(({ reason }: { reason?: string }) => reason);
    if (info?.reason !== 'WORKFLOW_VALUE_MISSING') return answer;
    return move(Object.entries(info.metadata).map(([field, from]) => ({ field, from, to: SUBSTITUTES[field] })));
  }

  /** One of the changes that keep most of what the other cards ask for; sometimes over what another has written. */
  async #changeWorkflow(path: string) {
    const { pick, integer } = this.#random;
    const read = await this.#tracker.http('GET', `${path}/workflow`);
    if (read.status !== 200) return read;
    const { types, priorities, statuses, transitions, resolutions } = read.body.workflow;
    const without = (values: readonly string[], value: string) => values.filter((each) => each !== value);
    const mapped = (field: string, from: string) => ({ mappings: [{ field, from, to: SUBSTITUTES[field] }] });
    const [first, ...others] = priorities;
    const resolved = statuses.find(({ name }: { name: string }) => name === 'RESOLVED');
    const kinds: (() => object)[] = [
      () => ({ priorities: [...others, first] }),
      () =>
        types.includes('CHORE')
          ? { types: without(types, 'CHORE'), ...mapped('type', 'CHORE') }
          : { types: ['CHORE', ...types] },
      () =>
        resolutions.includes('WONTFIX')
          ? { resolutions: without(resolutions, 'WONTFIX'), ...mapped('resolution', 'WONTFIX') }
          : { resolutions: [...resolutions, 'WONTFIX'] },
      () =>
        statuses.some(({ name }: { name: string }) => name === 'REVIEW')
          ? {
              statuses: statuses.filter(({ name }: { name: string }) => name !== 'REVIEW'),
              transitions: transitions
                .filter(({ from }: { from: string }) => from !== 'REVIEW')
                .map(({ from, to }: { from: string; to: string[] }) => ({ from, to: without(to, 'REVIEW') })),
              ...mapped('status', 'REVIEW'),
            }
          : {
              statuses: [...statuses, { name: 'REVIEW', category: 'ACTIVE' }],
              transitions: [
                ...transitions.map(({ from, to }: { from: string; to: string[] }) => ({ from, to: [...to, 'REVIEW'] })),
                { from: 'REVIEW', to: ['IN_PROGRESS', 'CLOSED'] },
              ],
            },
      () => ({
        statuses: statuses.map((status: { name: string }) => {
          if (status !== resolved) return status;
          return resolved.category === 'DONE'
            ? { name: 'RESOLVED', category: 'ACTIVE' }
            : { name: 'RESOLVED', category: 'DONE', guards: integer(0, 1) ? ['RESOLUTION'] : [] };
        }),
      }),
    ];
    const condition = integer(0, 2) === 0 ? { 'if-match': read.headers.get('etag')! } : {};
    return this.#tracker.http('PATCH', `${path}/workflow`, pick(kinds)(), condition);
  }

  /** The newest one, which may be empty still; where it holds issues, and stays, also one that nobody else knows of. */
  async #deleteProject(newest: Known, n: number) {
    const answer = await this.#drop(this.#projects, newest, newest.path);
    if (answer.status === 200) return answer;
    const own: Known[] = [];
    await this.#make(own, 'project', '/v1/projects', { name: 'Empty', key: `E${n}` });
    return this.#drop(own, own[0]!, own[0]!.path);
  }

  async #drop(list: Known[], known: Known, path: string) {
    const answer = await this.#tracker.http('DELETE', path);
    // Some are kept, so that what is gone is also asked for; but the last ones of each are needed.
    const index = list.indexOf(known);
    if (answer.status === 200 && index >= 0 && list.length > 2 && this.#random.integer(0, 3) > 0) list.splice(index, 1);
    return answer;
  }
}
