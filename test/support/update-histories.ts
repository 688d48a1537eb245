import assert from 'node:assert/strict';
import type { Change } from '../../core/contracts/log.ts';
import { seededRandom } from '../../core/lib/random.ts';
import { Project, type ProjectUpdate, type StreamProjectUpdatesResponse } from '../../proto/gen/project/v1/project.ts';
import { streamUpdates } from './update-stream.ts';

/** The key of the project with which a history ends. */
export const LAST = 'LASTONE';

/** What a client has that keeps to tokens: of what came after the last one nothing counts, when the stream is cut. */
export class Listener {
  readonly kept: ProjectUpdate[] = [];
  readonly #open: ProjectUpdate[] = [];
  token = '';
  cuts = 0;

  hear({ resumeToken, message }: StreamProjectUpdatesResponse): void {
    if (message?.$case === 'update') this.#open.push(message.value);
    if (resumeToken === '') return;
    const transactions = Map.groupBy(this.#open, ({ transactionId }) => transactionId);
    assert.ok(transactions.size <= 1, 'a token is missing between two transactions');
    this.kept.push(...this.#open.splice(0));
    this.token = resumeToken;
  }

  cut(): void {
    this.#open.length = 0;
    this.cuts += 1;
  }
}

export interface Listening {
  /** The gRPC ports of the instances that are there now. */
  readonly ports: () => readonly number[];
  readonly seed: string;
  /** The first message has come: everything from there on counts. */
  readonly begun: () => void;
  /** At most so many messages come before the stream is cut. */
  readonly longest: number;
  /** How a stream may end that was not cut: gRPC codes. */
  readonly mayEnd?: readonly number[];
}

/** Listens, is cut after some messages and goes on with its token, on any of the instances, up to the last project. */
export async function listen({ ports, seed, begun, longest, mayEnd = [] }: Listening): Promise<Listener> {
  const random = seededRandom(seed);
  const listener = new Listener();
  for (;;) {
    let left = random.integer(1, longest);
    let isDone = false;
    const stream = streamUpdates(random.pick(ports()), { resumeToken: listener.token }, (message) => {
      // What is still on its way when the stream is cut does not count either.
      if (left > 0) listener.hear(message);
      begun();
      isDone ||= left > 0 && isLast(message);
      left -= 1;
      if (left === 0 || isDone) stream.close();
    });
    const { code, reason, message } = await stream.ended;
    assert.ok([1, ...mayEnd].includes(code), `TEST_SEED=${seed}: a stream ended with ${code} ${reason} ${message}`);
    if (isDone) return listener;
    listener.cut();
  }
}

function isLast({ message }: StreamProjectUpdatesResponse): boolean {
  if (message?.$case !== 'update' || message.value.entity !== 'project' || !message.value.after) return false;
  return Project.decode(message.value.after.value).key === LAST;
}

/** Ordered, unique, reliable, atomic, resumable, bookmarked: as the log has it, transaction for transaction. */
export function checkHistory(listener: Listener, log: readonly Change[], seed: string): void {
  const why = `TEST_SEED=${seed}`;
  const changes = log.filter(({ scope }) => scope.startsWith('project_scopes/'));
  assert.deepEqual(
    listener.kept.map(({ eventId }) => eventId),
    changes.map(({ id }) => id),
    why,
  );
  checkOrder(listener.kept, why);
}

/** That each project's updates follow each other, from its first on. */
export function checkOrder(updates: readonly ProjectUpdate[], why?: string): void {
  const last = new Map<string, readonly [revision: bigint, ordinal: number]>();
  for (const { projectId, revision, ordinal } of updates) {
    const [before, place] = last.get(projectId) ?? [0n, -1];
    assert.deepEqual([revision, ordinal], revision === before ? [before, place + 1] : [before + 1n, 0], why);
    last.set(projectId, [revision, ordinal]);
  }
}
