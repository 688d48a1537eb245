import type { Call } from '../../../core/contracts/api.ts';
import { DomainError, invalidField, invalidFields, isDomainError } from '../../../core/contracts/errors.ts';
import type { Change, ChangeLog } from '../../../core/contracts/log.ts';
import { projectScopes } from '../../../core/contracts/projects.ts';
import type { Store } from '../../../core/contracts/store.ts';
import { pause } from '../../../core/lib/pause.ts';
import type { StreamProjectUpdatesRequest } from '../../../proto/gen/project/v1/project.ts';
import { projectsTable } from '../tables.ts';
import type { Hub } from './hub.ts';
import { type LiveEvent, liveEvents } from './live-event.ts';
import { type Place, placeOf, tokenAhead, tokenExpired, tokenOfAnotherHistory } from './resume-token.ts';
import { Snapshot } from './snapshot.ts';
import { Subscriber } from './subscriber.ts';

/** Until those who follow the log of a store that has just come have begun. */
const NOT_FOLLOWED_MS = 20;

/** One stream: the projects as they are, if asked for; what the log holds since; then what happens. */
export class UpdateStream {
  readonly #store: Store;
  readonly #log: ChangeLog;
  readonly #hub: Hub;
  readonly #call: Call;
  readonly #subscriber: Subscriber;
  /** While its pages may have shown what the log tells; until then nobody can go on from where it is. */
  #snapshot: Snapshot | undefined;
  /** Everything up to here has been handed on, for whoever resumes. */
  #sent: Place | undefined;

  constructor(store: Store, log: ChangeLog, hub: Hub, call: Call, projectIds: readonly string[]) {
    this.#store = store;
    this.#log = log;
    this.#hub = hub;
    this.#call = call;
    const projects = projectIds.map((id) => id.toLowerCase());
    this.#subscriber = new Subscriber(projects.length === 0 ? undefined : new Set(projects));
  }

  async *messages(request: StreamProjectUpdatesRequest): AsyncGenerator<Uint8Array, void, undefined> {
    const subscriber = this.#subscriber;
    const { cancellation } = this.#call;
    let after = await this.#begin(request);
    this.#call.explainErrors(() => this.#explanation());
    if (request.includeSnapshot) {
      const snapshot = new Snapshot(this.#store, this.#log, subscriber.projects);
      for await (const page of snapshot.pages(this.#call)) for (const bytes of page) yield bytes;
      this.#snapshot = snapshot;
      after = snapshot.after;
    } else {
      // Who has no token begins with now, in any case where all others are: the log may not even keep what came meanwhile.
      if (request.resumeToken === '') after = this.#hub.reached(after);
      this.#sent = after;
    }
    cancellation.addEventListener('abort', subscriber);
    if (cancellation.aborted) return;
    const tooSlow = () => this.#call.fail(slowConsumer());
    try {
      while (!subscriber.isOver) {
        // Pages of the log, until its end is reached.
        while (this.#snapshot || !this.#hub.join(subscriber, after.seq, tooSlow)) {
          const changes = await this.#read(after.seq);
          for (const bytes of this.#take(liveEvents(changes, this.#hub.entities), after)) yield bytes;
          if (changes.length > 0) after = placeOf(changes.at(-1)!);
          if (this.#snapshot?.isPast(after.seq)) this.#snapshot = undefined;
          else if (changes.length === 0) await pause(NOT_FOLLOWED_MS, this.#call.signal);
          if (!this.#snapshot) this.#sent = after;
          if (!this.#snapshot && this.#hub.isBeatDue(subscriber)) yield this.#hub.heartbeat(after);
        }
        yield this.#hub.heartbeat(after);
        // What happens.
        while (!subscriber.isOver && !subscriber.isBehind) {
          const events = subscriber.take();
          if (events) {
            for (const bytes of this.#take(events, after)) yield bytes;
            const { end } = events.at(-1)!;
            if (end.seq > after.seq) after = end;
            this.#sent = after;
          } else if (subscriber.takeBeat()) {
            after = this.#hub.reached(after);
            this.#sent = after;
            yield this.#hub.heartbeat(after);
          } else await subscriber.wait();
        }
      }
    } finally {
      this.#hub.leave(subscriber);
    }
  }

  /** Where to read the log from. */
  async #begin({ projectIds, resumeToken, includeSnapshot }: StreamProjectUpdatesRequest): Promise<Place> {
    if (resumeToken !== '' && includeSnapshot)
      throw invalidField('include_snapshot', 'must be false where there is a resume_token');
    const from = resumeToken === '' ? undefined : this.#hub.tokens.read(resumeToken);
    // A scope outlives its project, and so the streams that are told of the project's end.
    await this.#require(projectIds, from ? projectScopes : projectsTable);
    const head = await this.#log.newest();
    if (!from) return placeOf(head);
    if (from.seq > head.seq) throw tokenAhead();
    const there = placeOf(await this.#log.newest(from.seq));
    // Where nothing is kept up to it, nobody can tell: what followed may be there, or the log refuses.
    if (there.seq > 0 && (there.seq !== from.seq || there.mark !== from.mark)) throw tokenOfAnotherHistory();
    return from;
  }

  async #require(ids: readonly string[], table: typeof projectsTable | typeof projectScopes): Promise<void> {
    const { projects } = this.#subscriber;
    if (!projects) return;
    const rows = await this.#store.read((tx) => tx.table(table as typeof projectsTable).getMany([...projects]), {
      signal: this.#call.cancellation,
    });
    const found = new Set(rows.map(({ id }) => id));
    const reason = 'PROJECT_NOT_FOUND';
    const description = 'must be the id of an existing project';
    const missing = ids.flatMap((id, i) =>
      found.has(id.toLowerCase()) ? [] : [{ field: `project_ids[${i}]`, description, reason }],
    );
    if (missing.length > 0) throw invalidFields(missing, reason);
  }

  async #read(after: number): Promise<readonly Change[]> {
    try {
      return await this.#log.read({ after, signal: this.#call.cancellation });
    } catch (error) {
      if (!isDomainError(error) || error.reason !== 'LOG_TRIMMED') throw error;
      this.#sent = undefined;
      throw tokenExpired();
    }
  }

  /** The messages of those events that this stream wants and has not had. The last of each transaction has a token. */
  *#take(events: readonly LiveEvent[], { seq: after }: Place): Generator<Uint8Array, void, undefined> {
    for (let i = this.#wanted(events, 0, after); i < events.length; ) {
      const event = events[i]!;
      i = this.#wanted(events, i + 1, after);
      const isLast = events[i]?.change.transaction !== event.change.transaction;
      if (!isLast || this.#snapshot) yield event.bytes();
      else {
        // Whoever asks has had it: an error comes between two messages, and not before the one that is handed on.
        this.#sent = event.end;
        yield event.lastBytes(this.#hub.tokens);
      }
    }
  }

  #wanted(events: readonly LiveEvent[], from: number, after: number): number {
    for (let i = from; i < events.length; i++) {
      const event = events[i]!;
      if (event.change.seq > after && this.#subscriber.wants(event) && !this.#snapshot?.shows(event)) return i;
    }
    return events.length;
  }

  #explanation(): Readonly<Record<string, string>> {
    return this.#sent === undefined ? {} : { resume_token: this.#hub.tokens.write(this.#sent) };
  }
}

function slowConsumer(): DomainError {
  return new DomainError(
    'RESOURCE_EXHAUSTED',
    'SLOW_CONSUMER',
    'updates come faster than this stream takes them: resume with the last resume_token that came',
  );
}
