import { SYSTEM } from '../../core/contracts/api.ts';
import type { Seeder } from '../../core/contracts/seed.ts';
import type { MemberService } from './members.ts';
import type { ProjectService } from './service.ts';

const adjectives = ['Amber', 'Bright', 'Calm', 'Distant', 'Electric', 'Fast', 'Gentle', 'Hidden', 'Iron', 'Jade'];
const nouns = ['Anchor', 'Bridge', 'Compass', 'Dynamo', 'Engine', 'Forge', 'Garden', 'Harbour', 'Index', 'Journal'];
const roles = ['MEMBER', 'MEMBER', 'VIEWER'];

export function projectSeeder(projects: ProjectService, members: MemberService): Seeder {
  return {
    name: 'projects',
    after: ['users'],
    isEmpty: () => projects.isEmpty(),
    async seed({ count, relationships, made, random, signal }) {
      const caller = { actor: SYSTEM, signal };
      const users = made('users');
      const ids: string[] = [];
      for (let i = 1; i <= count; i += 1) {
        signal.throwIfAborted();
        const name = `${random.pick(adjectives)} ${random.pick(nouns)} ${i}`;
        const wish = { key: '', name, description: `Sample project number ${i}.` };
        const { row } = await projects.create(wish, caller);
        ids.push(row.id);
        if (!relationships || users.length === 0) continue;
        const first = random.integer(0, users.length - 1);
        const size = Math.min(users.length, random.integer(2, 4));
        for (let k = 0; k < size; k += 1) {
          const userId = users[(first + k) % users.length];
          if (userId) await members.add(row.id, userId, k === 0 ? 'OWNER' : random.pick(roles), caller);
        }
      }
      return ids;
    },
  };
}
