import type { CancellationListener } from '../../../core/contracts/cancellation.ts';
import type { LiveEvent } from './live-event.ts';

/** What waits to be taken by one stream: events that all streams share, and at most one heartbeat. */
export class Subscriber implements CancellationListener {
  /** Undefined: all projects. */
  readonly projects: ReadonlySet<string> | undefined;
  /** When something was last taken, in milliseconds of performance.now(). */
  takenAt = performance.now();
  /** What happened is no longer here: it is to be read from the log. */
  isBehind = false;
  isOver = false;
  #batches: (readonly LiveEvent[])[] = [];
  #queued = 0;
  #beat = false;
  #wakeUp: (() => void) | undefined;

  constructor(projects: ReadonlySet<string> | undefined) {
    this.projects = projects;
  }

  get isIdle(): boolean {
    return this.#queued === 0;
  }

  wants({ projectId }: LiveEvent): boolean {
    return this.projects === undefined || this.projects.has(projectId);
  }

  /** False where more than so many events would wait; who has taken all before gets them in any case. */
  push(events: readonly LiveEvent[], limit: number): boolean {
    const wanted = this.projects === undefined ? events : events.filter((event) => this.wants(event));
    if (this.#queued > 0 && this.#queued + wanted.length > limit) return false;
    if (wanted.length > 0) this.#batches.push(wanted);
    this.#queued += wanted.length;
    return true;
  }

  beat(): void {
    this.#beat = true;
  }

  /** The next events; undefined where none wait. */
  take(): readonly LiveEvent[] | undefined {
    const events = this.#batches.shift();
    if (events) {
      this.#queued -= events.length;
      this.takenAt = performance.now();
      this.#beat = false;
    }
    return events;
  }

  /** Whether a heartbeat is due. */
  takeBeat(): boolean {
    const due = this.#beat;
    this.#beat = false;
    if (due) this.takenAt = performance.now();
    return due;
  }

  /** Lets go of what waits. */
  clear(): void {
    this.#batches = [];
    this.#queued = 0;
    this.#beat = false;
  }

  /** Until `wake`, if nothing is there. */
  async wait(): Promise<void> {
    if (this.#queued > 0 || this.#beat || this.isBehind || this.isOver) return;
    await new Promise<void>((resolve) => {
      this.#wakeUp = resolve;
    });
  }

  get isWaiting(): boolean {
    return this.#wakeUp !== undefined;
  }

  wake(): void {
    const wakeUp = this.#wakeUp;
    this.#wakeUp = undefined;
    wakeUp?.();
  }

  /** The call's end. */
  handleEvent(): void {
    this.isOver = true;
    this.clear();
    this.wake();
  }
}
