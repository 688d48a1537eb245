import { z } from 'zod';
import { apiServices, type Call } from '../../core/contracts/api.ts';
import { clock } from '../../core/contracts/clock.ts';
import { changeLog } from '../../core/contracts/log.ts';
import {
  changedEntities,
  projectContents,
  projectEntities,
  projectScopes,
  projects,
} from '../../core/contracts/projects.ts';
import { seeders } from '../../core/contracts/seed.ts';
import { store } from '../../core/contracts/store.ts';
import { tables } from '../../core/contracts/tables.ts';
import { userReferences, users } from '../../core/contracts/users.ts';
import { definePlugin } from '../../core/kernel/index.ts';
import { systemClock } from '../../core/lib/time.ts';
import type { StreamProjectUpdatesRequest } from '../../proto/gen/project/v1/project.ts';
import { projectApi } from './api.ts';
import { MemberService, memberships } from './members.ts';
import { projectSeeder } from './seeder.ts';
import { ProjectService } from './service.ts';
import { shownEntities } from './stream/entities.ts';
import { Hub } from './stream/hub.ts';
import { afterOf } from './stream/live-event.ts';
import { UpdateStream } from './stream/update-stream.ts';
import { membersTable, projectsTable, workflowsTable } from './tables.ts';
import { WorkflowService } from './workflows.ts';

/** Projects, their members and their workflow: projectpb.ProjectService. */
export default definePlugin({
  name: 'project',
  kernel: '^1.0.0',
  requires: { store, users, changeLog },
  optional: { clock },
  provides: { projects, changedEntities },
  contributes: { tables, services: apiServices, seeders, userReferences },
  collects: { contents: projectContents, entities: projectEntities },
  config: z.strictObject({
    /** A stream of updates to which nothing was sent for so many milliseconds gets a heartbeat. */
    heartbeatMs: z.number().int().min(100).max(3_600_000).default(15_000),
    /** So many updates may wait for a stream that does not take them; then it is ended. */
    maxQueuedUpdates: z.number().int().min(1).max(1_000_000).default(10_000),
  }),
  setup({ config, deps, contribute, defer }) {
    const service = new ProjectService(deps.store);
    const members = new MemberService(deps.store, deps.users);
    const workflows = new WorkflowService(deps.store);
    const hub = new Hub(deps.changeLog, config);
    const updates = (request: StreamProjectUpdatesRequest, call: Call) =>
      new UpdateStream(deps.store, deps.changeLog, hub, call, request.projectIds).messages(request);
    contribute.tables(projectScopes, projectsTable, membersTable, workflowsTable);
    contribute.services(projectApi(service, members, workflows, updates, deps.clock ?? systemClock));
    contribute.seeders(projectSeeder(service, members));
    contribute.userReferences(memberships);
    return {
      provides: { projects: service, changedEntities: { shown: (change) => afterOf(change, hub.entities) } },
      start({ contents, entities }) {
        service.contents = contents.map((each) => each.value);
        workflows.contents = service.contents;
        hub.entities = shownEntities(entities);
        defer('the streams of updates', hub.start());
      },
    };
  },
});
