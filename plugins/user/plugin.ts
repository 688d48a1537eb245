import { apiServices } from '../../core/contracts/api.ts';
import { cache } from '../../core/contracts/cache.ts';
import { clock } from '../../core/contracts/clock.ts';
import { projectEntities } from '../../core/contracts/projects.ts';
import { seeders } from '../../core/contracts/seed.ts';
import { store } from '../../core/contracts/store.ts';
import { tables } from '../../core/contracts/tables.ts';
import { userReferences, users } from '../../core/contracts/users.ts';
import { definePlugin } from '../../core/kernel/index.ts';
import { systemClock } from '../../core/lib/time.ts';
import { userApiV1 } from './api-v1.ts';
import { shownUser, userApiV2 } from './api-v2.ts';
import { userSeeder } from './seeder.ts';
import { UserService } from './service.ts';
import { usersTable } from './table.ts';

/** People: userpb.UserService and userpb.v2.UserService over one table. */
export default definePlugin({
  name: 'user',
  kernel: '^1.0.0',
  requires: { store },
  optional: { cache, clock },
  provides: { users },
  contributes: { tables, services: apiServices, seeders, entities: projectEntities },
  collects: { references: userReferences },
  setup({ deps, contribute }) {
    const service = new UserService(deps.store, deps.cache);
    const now = deps.clock ?? systemClock;
    contribute.tables(usersTable);
    contribute.services(userApiV1(service, now), userApiV2(service, now));
    contribute.seeders(userSeeder(service));
    contribute.entities(shownUser);
    return {
      provides: { users: service },
      start({ references }) {
        service.references = references.map((each) => each.value);
      },
    };
  },
});
