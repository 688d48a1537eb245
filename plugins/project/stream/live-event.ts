import type { Change } from '../../../core/contracts/log.ts';
import { countsIn, projectScopes } from '../../../core/contracts/projects.ts';
import { toTimestamp } from '../../../core/lib/time.ts';
import type { Any } from '../../../proto/gen/google/protobuf/any.ts';
import { type ProjectUpdate, StreamProjectUpdatesResponse } from '../../../proto/gen/project/v1/project.ts';
import type { Entities } from './entities.ts';
import { type Place, placeOf, type ResumeTokens } from './resume-token.ts';

const SCOPE = `${projectScopes.name}/`;

/** One change in a project, on its way to all who stream it. It is encoded once, when the first of them takes it. */
export class LiveEvent {
  readonly projectId: string;
  readonly change: Change;
  /** The last event of its transaction, also where that is no change in a project. */
  readonly end: Place;
  readonly #entities: Entities;
  #bytes: Uint8Array | undefined;
  #last: Uint8Array | undefined;

  constructor(change: Change, end: Place, entities: Entities) {
    this.projectId = change.scope.slice(SCOPE.length);
    this.change = change;
    this.end = end;
    this.#entities = entities;
  }

  /** The message, without a token. */
  bytes(): Uint8Array {
    this.#bytes ??= StreamProjectUpdatesResponse.encode({
      resumeToken: '',
      message: { $case: 'update', value: updateOf(this.change, this.projectId, this.#entities) },
    }).finish();
    return this.#bytes;
  }

  /** The message as the last of its transaction. */
  lastBytes(tokens: ResumeTokens): Uint8Array {
    this.#last ??= Buffer.concat([tokenField(tokens.write(this.end)), this.bytes()]);
    return this.#last;
  }
}

/** Those of the changes, which are of whole transactions, that are in projects. */
export function liveEvents(changes: readonly Change[], entities: Entities): readonly LiveEvent[] {
  const events: LiveEvent[] = [];
  for (let begin = 0; begin < changes.length; ) {
    const { transaction } = changes[begin]!;
    let next = begin + 1;
    while (next < changes.length && changes[next]!.transaction === transaction) next++;
    const end = placeOf(changes[next - 1]!);
    for (; begin < next; begin++) {
      const change = changes[begin]!;
      if (change.scope.startsWith(SCOPE)) events.push(new LiveEvent(change, end, entities));
    }
  }
  return events;
}

/** A message that is nothing but a token: put before another, the two are one. */
function tokenField(resumeToken: string): Uint8Array {
  return StreamProjectUpdatesResponse.encode({ resumeToken, message: undefined }).finish();
}

function updateOf(change: Change, projectId: string, entities: Entities): ProjectUpdate {
  return {
    projectId,
    revision: BigInt(change.revision),
    ordinal: change.ordinal,
    eventId: change.id,
    transactionId: change.transaction,
    time: toTimestamp(change.time),
    actorId: change.actor ?? '',
    entity: change.entity,
    entityId: change.entityId,
    kind: change.kind,
    changedFields: [...change.fields],
    after: afterOf(change, entities),
    ...countsIn(change.context),
  };
}

export function afterOf(change: Change, entities: Entities): Any | undefined {
  const entity = entities.get(change.entity);
  if (!entity || change.after === null) return undefined;
  const value = entity.encode(change.after, change) as Any['value'];
  return { typeUrl: `type.googleapis.com/${entity.message}`, value };
}
