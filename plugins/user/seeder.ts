import { SYSTEM } from '../../core/contracts/api.ts';
import type { Seeder } from '../../core/contracts/seed.ts';
import type { UserService } from './service.ts';
import { emptyProfile } from './table.ts';

const firstNames = ['Ada', 'Alan', 'Barbara', 'Dennis', 'Edsger', 'Frances', 'Grace', 'Ken', 'Leslie', 'Margaret'];
const lastNames = ['Allen', 'Dijkstra', 'Hamilton', 'Hopper', 'Lamport', 'Liskov', 'Lovelace', 'Ritchie', 'Turing'];
const timeZones = ['Europe/Berlin', 'Europe/London', 'America/New_York', 'Asia/Tokyo', 'UTC'];

export function userSeeder(users: UserService): Seeder {
  return {
    name: 'users',
    after: [],
    isEmpty: () => users.isEmpty(),
    async seed({ count, random, signal }) {
      const ids: string[] = [];
      for (let i = 1; i <= count; i += 1) {
        signal.throwIfAborted();
        const first = random.pick(firstNames);
        const last = random.pick(lastNames);
        const row = await users.create(
          {
            ...emptyProfile,
            name: `${first} ${last}`,
            first_name: first,
            last_name: last,
            // The number keeps the addresses apart, however often a name is drawn.
            email: `${first}.${last}.${i}@example.com`.toLowerCase(),
            time_zone: random.pick(timeZones),
            locale: 'en',
          },
          { actor: SYSTEM, signal },
        );
        ids.push(row.id);
      }
      return ids;
    },
  };
}
