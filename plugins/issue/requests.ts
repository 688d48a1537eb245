import { invalidField } from '../../core/contracts/errors.ts';
import { maskedFields } from '../../core/lib/masks.ts';
import { fromTimestamp } from '../../core/lib/time.ts';
import type { CreateIssueRequest, UpdateIssueRequest } from '../../proto/gen/issue/v1/issue.ts';
import type { IssuePatch } from './change.ts';
import type { NewIssue } from './writes.ts';

const updatable = [
  'summary',
  'description',
  'type',
  'priority',
  'status',
  'resolution',
  'assignee_id',
  'due_at',
] as const;

/** What a CreateIssue request asks for. INVALID_ARGUMENT for what its rules do not say. */
export function wishOf(request: CreateIssueRequest): NewIssue {
  return { ...request, dueAt: fromTimestamp(request.dueAt, 'due_at') };
}

/** What an UpdateIssue request changes. INVALID_ARGUMENT for what its rules do not say. */
export function patchOf(request: UpdateIssueRequest): IssuePatch {
  const fields = new Set(maskedFields(request, updatable, request.updateMask));
  // A summary, type, priority or status cannot be cleared: an absent one that the mask names is sent on as empty, and
  // is refused by name.
  const summary = request.summary ?? '';
  if (fields.has('summary') && summary.trim() === '')
    throw invalidField('summary', 'must be 1 to 200 characters, not only white space');
  return {
    ...(fields.has('summary') && { summary }),
    ...(fields.has('description') && { description: request.description ?? '' }),
    ...(fields.has('type') && { type: request.type ?? '' }),
    ...(fields.has('priority') && { priority: request.priority ?? '' }),
    ...(fields.has('status') && { status: request.status ?? '' }),
    ...(fields.has('resolution') && { resolution: request.resolution || null }),
    ...(fields.has('assignee_id') && { assignee: request.assigneeId?.toLowerCase() || null }),
    ...(fields.has('due_at') && { dueAt: fromTimestamp(request.dueAt, 'due_at') }),
  };
}
