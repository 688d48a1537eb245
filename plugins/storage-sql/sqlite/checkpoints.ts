import { once } from 'node:events';
import { extname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

/** Pages of the log that are not in the file yet: from here on they are moved. */
const WORTH_MOVING = 1_000;
/** Pages of the log: from here on writers stand back for the last of them, since it begins anew only when all are moved. */
const LONG = 4_000;
/** Pages of the log, such as those of an import, for which they do not stand back before most are moved: it takes seconds. */
const VERY_LONG = 16_000;
/** How often it is looked: after so many commits, and so many milliseconds after one. */
const COMMITS = 64;
const DELAY = 250;
/** Milliseconds that the end waits for a checkpoint that has begun. */
const LAST_WAIT = 3_000;

/** The write-ahead log, in pages. */
export interface LogLength {
  readonly pages: number;
  /** Of them those that the file has too. */
  readonly moved: number;
}

export interface CheckpointOptions {
  /** Of the database file. */
  readonly path: string;
  /** Rejects when the database is closed. */
  readonly measure: () => Promise<LogLength>;
  /** Runs fn while nobody writes. Rejects when the database is closed. */
  readonly alone: (fn: () => Promise<void>) => Promise<void>;
}

/**
 * Moves the write-ahead log into the file, on a thread of its own: SQLite does it in the commit that makes the log long,
 * and waits there for the disk (measured: 20 to 50 ms, in which the process would do nothing else).
 */
export class Checkpoints {
  readonly #options: CheckpointOptions;
  #commits = 0;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #moving: Promise<void> | undefined;
  #worker: Worker | undefined;
  #closed = false;

  constructor(options: CheckpointOptions) {
    this.#options = options;
  }

  /** After each commit that wrote. */
  written(): void {
    if (this.#closed) return;
    this.#commits += 1;
    if (this.#commits >= COMMITS) this.#look();
    else this.#timer ??= setTimeout(() => this.#look(), DELAY).unref();
  }

  #look(): void {
    this.#commits = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // Where it is not measured, since the database is closed, there is nothing to move.
    this.#looking ??= this.#moveIfWorth()
      .catch(() => undefined)
      .finally(() => {
        this.#looking = undefined;
      });
  }

  async #moveIfWorth(): Promise<void> {
    const { pages, moved } = await this.#options.measure();
    if (pages - moved < WORTH_MOVING) return;
    const moving = this.#move();
    if (pages < LONG) return;
    if (pages >= VERY_LONG) await moving;
    await this.#options.alone(async () => {
      await moving;
      await this.#move();
    });
  }

  /** Never rejects: what was not moved stays in the log, and is tried again after later commits. */
  #move(): Promise<void> {
    this.#moving ??= this.#askWorker()
      .catch(() => undefined)
      .finally(() => {
        this.#moving = undefined;
      });
    return this.#moving;
  }

  async #askWorker(): Promise<void> {
    if (this.#closed) return;
    this.#worker ??= this.#startWorker();
    const answer = once(this.#worker, 'message');
    this.#worker.postMessage('checkpoint');
    await answer;
  }

  #startWorker(): Worker {
    const file = new URL(`checkpoint-worker${extname(import.meta.filename)}`, import.meta.url);
    const worker = new Worker(file, { workerData: this.#options.path });
    worker.unref();
    // The next look starts another.
    worker.on('error', () => {
      this.#worker = undefined;
    });
    return worker;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await Promise.race([this.#moving, delay(LAST_WAIT, undefined, { ref: false })]);
    await this.#worker?.terminate();
  }
}
