import { apiServices } from '../../core/contracts/api.ts';
import { cache } from '../../core/contracts/cache.ts';
import { clock } from '../../core/contracts/clock.ts';
import { issueContents, issues } from '../../core/contracts/issues.ts';
import { changeLog } from '../../core/contracts/log.ts';
import { projectContents, projectEntities, projects } from '../../core/contracts/projects.ts';
import { seeders } from '../../core/contracts/seed.ts';
import { store } from '../../core/contracts/store.ts';
import { tables } from '../../core/contracts/tables.ts';
import { userReferences, users } from '../../core/contracts/users.ts';
import { definePlugin } from '../../core/kernel/index.ts';
import { systemClock } from '../../core/lib/time.ts';
import { issueApi } from './api.ts';
import { shownIssue } from './messages.ts';
import { assignedIssues, issuesOfProject } from './references.ts';
import { issueSeeder } from './seeder.ts';
import { IssueService } from './service.ts';
import { formerKeysTable, issuesTable } from './table.ts';

/** Issues: issuepb.IssueService. */
export default definePlugin({
  name: 'issue',
  kernel: '^1.0.0',
  requires: { store, projects, users, changeLog },
  optional: { cache, clock },
  provides: { issues },
  contributes: { tables, services: apiServices, seeders, userReferences, projectContents, projectEntities },
  collects: { contents: issueContents },
  setup({ deps, contribute }) {
    const service = new IssueService(deps.store, deps.projects, deps.users, deps.changeLog, deps.cache);
    contribute.tables(issuesTable, formerKeysTable);
    contribute.services(issueApi(service, deps.projects, deps.users, deps.clock ?? systemClock));
    contribute.seeders(issueSeeder(service));
    contribute.userReferences(assignedIssues(deps.projects));
    contribute.projectContents(issuesOfProject(() => service.contents));
    contribute.projectEntities(shownIssue);
    return {
      provides: { issues: service },
      start({ contents }) {
        service.contents = contents.map((each) => each.value);
      },
    };
  },
});
