import type { Call } from '../../../core/contracts/api.ts';
import type { ChangeLog } from '../../../core/contracts/log.ts';
import { projectScopes } from '../../../core/contracts/projects.ts';
import type { ReadTransaction, Store } from '../../../core/contracts/store.ts';
import { pause } from '../../../core/lib/pause.ts';
import { StreamProjectUpdatesResponse } from '../../../proto/gen/project/v1/project.ts';
import { type ProjectView, projectOf } from '../messages.ts';
import { projectsTable } from '../tables.ts';
import type { LiveEvent } from './live-event.ts';
import { type Place, placeOf } from './resume-token.ts';

const PAGE = 200;
const NOT_ORDERED_MS = 10;

/**
 * The projects as they are, a page at a time, each page of a moment of its own, so that no transaction waits for a slow
 * reader. What the log tells from `after` on, and a page has shown already, is not to be told again.
 */
export class Snapshot {
  /** Where the log is to be read from. */
  after: Place = placeOf({ seq: 0, id: '' });
  readonly #store: Store;
  readonly #log: ChangeLog;
  readonly #projects: ReadonlySet<string> | undefined;
  /** What each project's page showed. */
  readonly #revisions = new Map<string, number>();
  #end = 0;

  constructor(store: Store, log: ChangeLog, projects: ReadonlySet<string> | undefined) {
    this.#store = store;
    this.#log = log;
    this.#projects = projects;
  }

  async *pages({ cancellation: signal, signal: ended }: Call): AsyncGenerator<Iterable<Uint8Array>, void, undefined> {
    let pending: ReadonlySet<string> = new Set();
    let cursor: string | undefined;
    for (let isFirst = true; isFirst || cursor !== undefined; isFirst = false) {
      const page = await this.#store.read(
        async (tx) => ({ ...(await this.#page(tx, cursor)), head: await this.#log.headIn(tx) }),
        { signal },
      );
      if (isFirst) this.after = placeOf(page.head);
      this.#end = page.head.seq;
      pending = page.head.pending;
      for (const { row, scope } of page.views) this.#revisions.set(row.id, scope.revision);
      cursor = page.next;
      yield page.views.map(messageOf);
    }
    // Until what a page has shown and the log has not yet is in the log.
    while (pending.size > 0 && !ended.aborted) {
      const head = await this.#store.read((tx) => this.#log.headIn(tx), { signal });
      this.#end = head.seq;
      pending = new Set([...pending].filter((id) => head.pending.has(id)));
      if (pending.size > 0) await pause(NOT_ORDERED_MS, ended);
    }
  }

  /** Whether a page has shown what this event did. */
  shows({ projectId, change }: LiveEvent): boolean {
    return change.revision <= (this.#revisions.get(projectId) ?? 0);
  }

  /** Whether no page has shown anything of what the log holds after this. */
  isPast(seq: number): boolean {
    return seq >= this.#end;
  }

  async #page(tx: ReadTransaction, after: string | undefined) {
    const table = tx.table(projectsTable);
    const { rows, next } = this.#projects
      ? { rows: await table.getMany([...this.#projects]), next: undefined }
      : await table.find({ orderBy: { columns: ['created_at'] }, limit: PAGE, ...(after ? { after } : {}) });
    const scopes = await tx.table(projectScopes).getMany(rows.map(({ id }) => id));
    const scopeOf = new Map(scopes.map((scope) => [scope.id, scope]));
    return { views: rows.map((row) => ({ row, scope: scopeOf.get(row.id)! })), next };
  }
}

function messageOf(view: ProjectView): Uint8Array {
  return StreamProjectUpdatesResponse.encode({
    resumeToken: '',
    message: { $case: 'snapshot', value: projectOf(view) },
  }).finish();
}
