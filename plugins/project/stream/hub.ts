import type { Change, ChangeLog } from '../../../core/contracts/log.ts';
import { toTimestamp } from '../../../core/lib/time.ts';
import { StreamProjectUpdatesResponse } from '../../../proto/gen/project/v1/project.ts';
import type { Entities } from './entities.ts';
import { liveEvents } from './live-event.ts';
import { type Place, placeOf, ResumeTokens } from './resume-token.ts';
import type { Subscriber } from './subscriber.ts';

/** So many streams at most write in one turn of the event loop. */
const WAKES_A_TURN = 16;
/** Heartbeats come this much of their interval late at most. */
const BEAT_PRECISION = 1 / 10;

export interface HubOptions {
  /** A stream to which nothing was sent for so many milliseconds gets a heartbeat. */
  readonly heartbeatMs: number;
  /** So many events may wait for one stream. */
  readonly maxQueuedUpdates: number;
}

/** Brings the log's events to all streams of this instance: read, and encoded, once. */
export class Hub {
  readonly options: HubOptions;
  entities: Entities = new Map();
  readonly #log: ChangeLog;
  /** With what to call when one is too slow. */
  readonly #subscribers = new Map<Subscriber, () => void>();
  #due: Subscriber[] = [];
  #isWaking = false;
  #last: Place | undefined;
  /** Up to where the log had been followed when the first stream joined; what was delivered since then says it itself. */
  #joinedAt: number | undefined;
  #tokens: ResumeTokens | undefined;
  #timer: NodeJS.Timeout | undefined;
  #heartbeat: { readonly seq: number; readonly at: number; readonly bytes: Uint8Array } | undefined;

  constructor(log: ChangeLog, options: HubOptions) {
    this.#log = log;
    this.options = options;
  }

  /** Follows the log from now on. Returns the end. */
  start(): () => void {
    const unfollow = this.#log.follow((changes) => this.#deliver(changes));
    return () => {
      unfollow();
      clearInterval(this.#timer);
    };
  }

  /** Of the store that is there; throws `unavailable` while there is none. */
  get tokens(): ResumeTokens {
    const storeId = this.#log.storeId();
    if (this.#tokens?.storeId !== storeId) this.#tokens = new ResumeTokens(storeId);
    return this.#tokens;
  }

  /**
   * From now on the subscriber gets what happens, if it has had everything up to `after`: false where it has to read on
   * in the log first. It may get events up to `after` once more.
   */
  join(subscriber: Subscriber, after: number, tooSlow: () => void): boolean {
    const followed = this.#log.followed();
    if (followed === undefined || after < followed) return false;
    this.#joinedAt ??= followed;
    subscriber.isBehind = false;
    subscriber.takenAt = performance.now();
    this.#subscribers.set(subscriber, tooSlow);
    this.#timer ??= setInterval(() => this.#beat(), this.options.heartbeatMs * BEAT_PRECISION).unref();
    return true;
  }

  leave(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber);
    if (this.#subscribers.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Whether nothing was sent for long; it will be now. */
  isBeatDue(subscriber: Subscriber): boolean {
    const now = performance.now();
    if (now - subscriber.takenAt < this.options.heartbeatMs) return false;
    subscriber.takenAt = now;
    return true;
  }

  /** A heartbeat that says that nothing is missing up to a place; encoded once for all who are there. */
  heartbeat(place: Place): Uint8Array {
    const { seq } = place;
    const at = Date.now();
    if (this.#heartbeat?.seq !== seq || at - this.#heartbeat.at > this.options.heartbeatMs * BEAT_PRECISION) {
      const bytes = StreamProjectUpdatesResponse.encode({
        resumeToken: this.tokens.write(place),
        message: { $case: 'heartbeat', value: { time: toTimestamp(at * 1000) } },
      }).finish();
      this.#heartbeat = { seq, at, bytes };
    }
    return this.#heartbeat.bytes;
  }

  /** The later of the two: this one, and up to where a subscriber for which nothing waits has had everything. */
  reached(place: Place): Place {
    return this.#last && this.#last.seq > place.seq ? this.#last : place;
  }

  #deliver(changes: readonly Change[]): void {
    // What lies between may be a gap of the order itself, or have been deleted before it was read: the log knows.
    const before = this.#last?.seq ?? this.#joinedAt;
    const isGap = before !== undefined && changes[0]!.seq > before + 1;
    this.#last = placeOf(changes.at(-1)!);
    if (this.#subscribers.size === 0) return;
    const events = liveEvents(changes, this.entities);
    for (const [subscriber, tooSlow] of this.#subscribers) {
      if (isGap) {
        this.leave(subscriber);
        subscriber.isBehind = true;
        this.#due.push(subscriber);
      } else if (!subscriber.push(events, this.options.maxQueuedUpdates)) {
        this.leave(subscriber);
        subscriber.clear();
        // Not in the midst of a message that is just being handed on, which the error's token would count as sent.
        setImmediate(tooSlow);
      } else if (!subscriber.isIdle && subscriber.isWaiting) this.#due.push(subscriber);
    }
    this.#wake();
  }

  #beat(): void {
    const before = performance.now() - this.options.heartbeatMs;
    for (const subscriber of this.#subscribers.keys()) {
      if (subscriber.takenAt > before || !subscriber.isWaiting) continue;
      subscriber.beat();
      this.#due.push(subscriber);
    }
    this.#wake();
  }

  /** A few at a time: ten thousand that write at once would hold up everything else. */
  #wake(): void {
    if (this.#isWaking) return;
    const due = this.#due.splice(0, WAKES_A_TURN);
    for (const subscriber of due) subscriber.wake();
    if (this.#due.length === 0) return;
    this.#isWaking = true;
    setImmediate(() => {
      this.#isWaking = false;
      this.#wake();
    });
  }
}
