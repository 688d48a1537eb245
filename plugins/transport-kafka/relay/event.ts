import { type FileRegistry, fromBinary, toJson } from '@bufbuild/protobuf';
import type { Change } from '../../../core/contracts/log.ts';
import { type ChangedEntities, countsIn, projectScopes } from '../../../core/contracts/projects.ts';
import { toTimestamp } from '../../../core/lib/time.ts';
import { Event } from '../../../proto/gen/events/v1/events.ts';
import type { Any } from '../../../proto/gen/google/protobuf/any.ts';
import type { Outgoing } from '../cluster.ts';

const MESSAGE = 'eventspb.Event';
const PROJECT = `${projectScopes.name}/`;
/** Topics whose entity has one of its own; everything else goes to that of the projects. */
const TOPICS: Readonly<Record<string, string>> = { issue: 'issues', user: 'users' };
export const eventTopics = ['projects', 'issues', 'users'] as const;
/** The brokers take 1 MiB by default, with what is around it. */
export const MAX_BYTES = 900_000;

export interface EventMessage extends Outgoing {
  readonly change: Change;
  readonly value: string;
}

/** Makes messages of changes: see docs/reference/events.md. */
export class EventWriter {
  readonly #storeId: string;
  readonly #entities: ChangedEntities;
  readonly #registry: FileRegistry;
  readonly #topic: (name: string) => string;

  constructor(storeId: string, entities: ChangedEntities, registry: FileRegistry, topic: (name: string) => string) {
    this.#storeId = storeId;
    this.#entities = entities;
    this.#registry = registry;
    this.#topic = topic;
  }

  write(change: Change): EventMessage {
    const { entity, kind, id, scope } = change;
    return {
      change,
      topic: this.#topic(TOPICS[entity] ?? 'projects'),
      key: scope.slice(scope.indexOf('/') + 1),
      value: this.#value(change),
      headers: { 'event-id': id, entity, kind, schema: MESSAGE, 'content-type': 'application/json' },
    };
  }

  /** Without the entity as it is after the change, for a topic that takes no more. */
  bare(message: EventMessage): EventMessage {
    return { ...message, value: this.#json(message.change, undefined) };
  }

  #value(change: Change): string {
    const after = this.#entities.shown(change);
    // Whoever shows an entity may have kept its message to itself.
    const known = after && this.#registry.getMessage(after.typeUrl.slice(after.typeUrl.lastIndexOf('/') + 1));
    const value = this.#json(change, known ? after : undefined);
    return Buffer.byteLength(value) > MAX_BYTES ? this.#json(change, undefined) : value;
  }

  #json(change: Change, after: Any | undefined): string {
    const event = Event.encode(eventOf(change, this.#storeId, after)).finish();
    const schema = this.#registry.getMessage(MESSAGE)!;
    const json = toJson(schema, fromBinary(schema, event), {
      registry: this.#registry,
      alwaysEmitImplicit: true,
    });
    return JSON.stringify(json);
  }
}

function eventOf(change: Change, storeId: string, after: Any | undefined): Event {
  return {
    eventId: change.id,
    transactionId: change.transaction,
    storeId,
    seq: BigInt(change.seq),
    projectId: change.scope.startsWith(PROJECT) ? change.scope.slice(PROJECT.length) : '',
    revision: BigInt(change.revision),
    ordinal: change.ordinal,
    time: toTimestamp(change.time),
    actorId: change.actor ?? '',
    entity: change.entity,
    entityId: change.entityId,
    kind: change.kind,
    changedFields: [...change.fields],
    after,
    ...countsIn(change.context),
  };
}
