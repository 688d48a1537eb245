import { defineTable, int64, type Row, text, timestamp, uuid } from '../../core/contracts/tables.ts';

export const issuesTable = defineTable({
  name: 'issues',
  columns: {
    id: uuid(),
    project_id: uuid(),
    number: int64(),
    /** The project's key and the number. */
    key: text({ maxLength: 30 }),
    summary: text({ maxLength: 200 }),
    description: text({ maxLength: 20_000 }),
    type: text({ maxLength: 64 }),
    priority: text({ maxLength: 64 }),
    /** The priority's place in the workflow, most urgent first: what issues sort by. */
    priority_rank: int64(),
    status: text({ maxLength: 64 }),
    resolution: text({ nullable: true, maxLength: 64 }),
    assignee_id: uuid({ nullable: true }),
    reporter_id: uuid({ nullable: true }),
    due_at: timestamp({ nullable: true }),
    created_at: timestamp(),
    updated_at: timestamp(),
  },
  primaryKey: ['id'],
  unique: { issue_key: ['key'], issue_number: ['project_id', 'number'] },
  indexes: {
    issues_created: ['created_at'],
    issues_updated: ['updated_at'],
    issues_due: ['due_at'],
    issues_priority: ['priority_rank', 'created_at'],
    issues_assignee: ['assignee_id', 'created_at'],
    issues_project_created: ['project_id', 'created_at'],
    issues_project_updated: ['project_id', 'updated_at'],
    issues_project_due: ['project_id', 'due_at'],
    issues_project_priority: ['project_id', 'priority_rank', 'created_at'],
    issues_project_status: ['project_id', 'status', 'created_at'],
  },
  searchable: ['summary', 'description'],
});

/** Keys that issues had before they were moved or deleted: they name them still, and no other issue ever gets one. */
export const formerKeysTable = defineTable({
  name: 'issue_former_keys',
  columns: { key: text({ maxLength: 30 }), issue_id: uuid() },
  primaryKey: ['key'],
});

export type IssueRow = Row<typeof issuesTable>;

/** The fields that history records. */
export const historyFields = [
  'key',
  'project_id',
  'summary',
  'description',
  'type',
  'priority',
  'status',
  'resolution',
  'assignee_id',
  'reporter_id',
  'due_at',
] as const;
