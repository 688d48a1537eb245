/** At most so often, in milliseconds. */
const INTERVAL = 100;

/** One line on a terminal's stderr that tells how far something is; nothing where stderr is not a terminal. */
export class Progress {
  #last = 0;
  #shown = false;

  show(text: () => string): void {
    const now = performance.now();
    if (!process.stderr.isTTY || now - this.#last < INTERVAL) return;
    this.#last = now;
    this.#shown = true;
    process.stderr.write(`\r\x1b[K${text()}`);
  }

  /** Puts the last word in its place, or takes it away. */
  end(text?: string): void {
    if (!process.stderr.isTTY) return;
    if (this.#shown) process.stderr.write('\r\x1b[K');
    if (text !== undefined) process.stderr.write(`${text}\n`);
  }
}

const MIB = 1024 * 1024;

export const mebibytes = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`;
