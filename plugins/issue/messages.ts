import type { HistoryEntry } from '../../core/contracts/log.ts';
import type { ProjectEntity } from '../../core/contracts/projects.ts';
import type { Json } from '../../core/contracts/tables.ts';
import { etagOf } from '../../core/lib/etags.ts';
import { toTimestamp } from '../../core/lib/time.ts';
import { type HistoryEntry as HistoryEntryMessage, Issue } from '../../proto/gen/issue/v1/issue.ts';
import type { IssueRow } from './table.ts';

export function issueOf(row: IssueRow): Issue {
  return {
    id: row.id,
    key: row.key,
    projectId: row.project_id,
    summary: row.summary,
    description: row.description,
    type: row.type,
    priority: row.priority,
    status: row.status,
    resolution: row.resolution ?? '',
    assigneeId: row.assignee_id ?? '',
    reporterId: row.reporter_id ?? '',
    dueAt: toTimestamp(row.due_at),
    createdAt: toTimestamp(row.created_at),
    updatedAt: toTimestamp(row.updated_at),
    etag: etagOf(row),
  };
}

/** An issue as the stream of updates shows it: what its events say is its row. */
export const shownIssue: ProjectEntity = {
  entity: 'issue',
  message: 'issuepb.Issue',
  encode: (after) => Issue.encode(issueOf(after as unknown as IssueRow)).finish(),
};

export function historyEntryOf(entry: HistoryEntry): HistoryEntryMessage {
  return {
    id: entry.id,
    time: toTimestamp(entry.time),
    actorId: entry.actor ?? '',
    kind: entry.kind,
    revision: BigInt(entry.revision),
    changes: entry.changes.map(({ field, from, to }) => ({ field, from: shown(from), to: shown(to) })),
  };
}

function shown(value: Json): string {
  return value === null ? '' : String(value);
}
