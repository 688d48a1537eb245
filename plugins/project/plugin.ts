import { apiServices } from '../../core/contracts/api.ts';
import { clock } from '../../core/contracts/clock.ts';
import { projectContents, projectScopes, projects } from '../../core/contracts/projects.ts';
import { seeders } from '../../core/contracts/seed.ts';
import { store } from '../../core/contracts/store.ts';
import { tables } from '../../core/contracts/tables.ts';
import { userReferences, users } from '../../core/contracts/users.ts';
import { definePlugin } from '../../core/kernel/index.ts';
import { systemClock } from '../../core/lib/time.ts';
import { projectApi } from './api.ts';
import { MemberService, memberships } from './members.ts';
import { projectSeeder } from './seeder.ts';
import { ProjectService } from './service.ts';
import { membersTable, projectsTable, workflowsTable } from './tables.ts';
import { WorkflowService } from './workflows.ts';

/** Projects, their members and their workflow: projectpb.ProjectService. */
export default definePlugin({
  name: 'project',
  kernel: '^1.0.0',
  requires: { store, users },
  optional: { clock },
  provides: { projects },
  contributes: { tables, services: apiServices, seeders, userReferences },
  collects: { contents: projectContents },
  setup({ deps, contribute }) {
    const service = new ProjectService(deps.store);
    const members = new MemberService(deps.store, deps.users);
    const workflows = new WorkflowService(deps.store);
    contribute.tables(projectScopes, projectsTable, membersTable, workflowsTable);
    contribute.services(projectApi(service, members, workflows, deps.clock ?? systemClock));
    contribute.seeders(projectSeeder(service, members));
    contribute.userReferences(memberships);
    return {
      provides: { projects: service },
      start({ contents }) {
        service.contents = contents.map((each) => each.value);
        workflows.contents = service.contents;
      },
    };
  },
});
