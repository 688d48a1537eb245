import { SYSTEM } from '../../core/contracts/api.ts';
import type { Seeder } from '../../core/contracts/seed.ts';
import type { IssueService } from './service.ts';

const subjects = ['login page', 'search index', 'export', 'mail queue', 'start screen', 'report', 'upload', 'cache'];
const problems = ['is slow', 'shows the wrong date', 'needs an undo', 'loses its filter', 'should remember its size'];
const types = ['BUG', 'FEATURE', 'COSMETIC', 'PERFORMANCE'];
const priorities = ['CRITICAL', 'MAJOR', 'IMPORTANT', 'MINOR'];
const resolutions = ['FIXED', 'INVALID', 'WONTFIX', 'WORKSFORME'];
/** How far an issue has come; the first one leaves it new. */
const courses = [[], ['IN_PROGRESS'], ['IN_PROGRESS', 'RESOLVED'], ['RESOLVED', 'CLOSED'], ['RESOLVED', 'REOPENED']];

/** One to five issues a project, with assignees and a mix of statuses; only where relationships are asked for. */
export function issueSeeder(issues: IssueService): Seeder {
  return {
    name: 'issues',
    after: ['users', 'projects'],
    isEmpty: () => issues.isEmpty(),
    async seed({ relationships, made, random, signal }) {
      const caller = { actor: SYSTEM, signal };
      const ids: string[] = [];
      const users = made('users');
      if (!relationships) return ids;
      for (const projectId of made('projects')) {
        signal.throwIfAborted();
        const count = random.integer(1, 5);
        for (let i = 0; i < count; i += 1) {
          const assigneeId = users.length > 0 && random.integer(0, 3) > 0 ? random.pick(users) : '';
          const subject = random.pick(subjects);
          const { row } = await issues.create(
            {
              projectId,
              summary: `The ${subject} ${random.pick(problems)}`,
              description: `Sample issue about the ${subject}.`,
              type: random.pick(types),
              priority: random.pick(priorities),
              status: '',
              resolution: '',
              assigneeId,
              dueAt: null,
            },
            caller,
          );
          ids.push(row.id);
          for (const status of assigneeId === '' ? [] : random.pick(courses)) {
            const resolution = status === 'RESOLVED' ? { resolution: random.pick(resolutions) } : {};
            await issues.transition(row.id, status, resolution, '', caller);
          }
        }
      }
      return ids;
    },
  };
}
