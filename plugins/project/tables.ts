import { bool, defineTable, json, type Row, text, timestamp, uuid } from '../../core/contracts/tables.ts';

/** A project's own fields. What is counted in it stands in its scope (core/contracts/projects.ts). */
export const projectsTable = defineTable({
  name: 'projects',
  columns: {
    id: uuid(),
    key: text({ maxLength: 10 }),
    name: text({ maxLength: 100 }),
    description: text({ maxLength: 5000 }),
    archived: bool(),
    created_at: timestamp(),
    updated_at: timestamp(),
  },
  primaryKey: ['id'],
  indexes: { projects_created: ['created_at'], projects_key: ['key'], projects_name: ['name'] },
});

export const membersTable = defineTable({
  name: 'project_members',
  columns: {
    project_id: uuid(),
    user_id: uuid(),
    role: text({ maxLength: 20 }),
    created_at: timestamp(),
    updated_at: timestamp(),
  },
  primaryKey: ['project_id', 'user_id'],
  indexes: { members_added: ['project_id', 'created_at'], members_user: ['user_id', 'project_id'] },
});

/** The workflows of the projects that have one of their own. */
export const workflowsTable = defineTable({
  name: 'workflows',
  columns: {
    project_id: uuid(),
    /** A Workflow. */
    definition: json(),
    created_at: timestamp(),
    updated_at: timestamp(),
  },
  primaryKey: ['project_id'],
});

export type ProjectRow = Row<typeof projectsTable>;
export type MemberRow = Row<typeof membersTable>;
export type WorkflowRow = Row<typeof workflowsTable>;
