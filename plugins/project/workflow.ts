import type { Workflow } from '../../core/contracts/projects.ts';

/** The workflow of every project that has none of its own. */
export const defaultWorkflow: Workflow = {
  types: ['BUG', 'FEATURE', 'COSMETIC', 'PERFORMANCE'],
  priorities: ['CRITICAL', 'MAJOR', 'IMPORTANT', 'MINOR'],
  defaultPriority: 'MAJOR',
  statuses: [
    { name: 'NEW', category: 'OPEN', guards: [] },
    { name: 'REOPENED', category: 'OPEN', guards: [] },
    { name: 'ASSIGNED', category: 'ACTIVE', guards: ['ASSIGNEE'] },
    { name: 'IN_PROGRESS', category: 'ACTIVE', guards: ['ASSIGNEE'] },
    { name: 'RESOLVED', category: 'DONE', guards: ['RESOLUTION'] },
    { name: 'CLOSED', category: 'DONE', guards: ['RESOLUTION'] },
  ],
  initialStatus: 'NEW',
  resolutions: ['FIXED', 'INVALID', 'WONTFIX', 'WORKSFORME'],
  transitions: [
    { from: 'NEW', to: ['ASSIGNED', 'IN_PROGRESS', 'RESOLVED', 'CLOSED'] },
    { from: 'ASSIGNED', to: ['NEW', 'IN_PROGRESS', 'RESOLVED', 'CLOSED'] },
    { from: 'IN_PROGRESS', to: ['ASSIGNED', 'RESOLVED', 'CLOSED'] },
    { from: 'RESOLVED', to: ['CLOSED', 'REOPENED'] },
    { from: 'CLOSED', to: ['REOPENED'] },
    { from: 'REOPENED', to: ['ASSIGNED', 'IN_PROGRESS', 'RESOLVED', 'CLOSED'] },
  ],
  assignedStatus: 'ASSIGNED',
  unassignedStatus: 'NEW',
};
