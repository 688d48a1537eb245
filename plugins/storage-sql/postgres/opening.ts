import { setTimeout as pause } from 'node:timers/promises';

/** Milliseconds between two tries: the first, and the longest; the half of each is chance. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 2_000;

export interface OpeningOptions {
  /** Opens it. What it throws says why that was not possible now. */
  readonly attempt: (signal: AbortSignal) => Promise<void>;
  /** The error in one line, without a secret. */
  readonly explain: (error: unknown) => string;
  /** Called for each reason that is not that of the try before. */
  readonly failed: (reason: string) => void;
}

/** Opens something in the background, and tries again until it is open or given up. */
export class Opening {
  readonly #options: OpeningOptions;
  readonly #given = new AbortController();
  readonly #firstTry = Promise.withResolvers<void>();
  #reason: string | undefined = 'it was not reached yet';
  #running: Promise<void> | undefined;

  constructor(options: OpeningOptions) {
    this.#options = options;
  }

  /** Why it is not open; undefined when it is. */
  get reason(): string | undefined {
    return this.#reason;
  }

  begin(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when the first try has ended, in whatever way, and after `patienceMs` at the latest. */
  async firstTry(patienceMs: number, signal: AbortSignal): Promise<void> {
    const waited = new AbortController();
    const patience = pause(patienceMs, undefined, { signal: AbortSignal.any([signal, waited.signal]) }).catch(() => {});
    await Promise.race([this.#firstTry.promise, patience]);
    waited.abort();
  }

  /** Gives up; resolves when nothing is under way any more. */
  async giveUp(): Promise<void> {
    this.#given.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { attempt, explain, failed } = this.#options;
    const { signal } = this.#given;
    let logged: string | undefined;
    for (let longest = FIRST_PAUSE_MS; !signal.aborted; longest = Math.min(longest * 2, LONGEST_PAUSE_MS)) {
      try {
        await attempt(signal);
        this.#reason = undefined;
        break;
      } catch (error) {
        if (signal.aborted) break;
        this.#reason = explain(error);
        if (this.#reason !== logged) failed(this.#reason);
        logged = this.#reason;
      }
      this.#firstTry.resolve();
      await pause(longest * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {});
    }
    this.#firstTry.resolve();
  }
}
