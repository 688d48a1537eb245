import type { ServerWritableStream } from '@grpc/grpc-js';

/** So many bytes may wait for a stream's client, beside what HTTP/2 and grpc-js's own queue of 16 messages hold. */
const MAX_WAITING_BYTES = 128 * 1024;
/** Streams that have more than the queue takes may go on for so many milliseconds in one turn of the event loop. */
const LONGEST_STRETCH = 5;

/** When the streams of this turn of the event loop began to write more than the queue takes. */
let since: number | undefined;

/**
 * What a server stream writes to. grpc-js asks for a pause after 16 messages, and each pause lasts a turn of the event loop.
 * When other work makes the turns long, a stream would fall behind, so those with more to say use the turn longer.
 */
export class Writable {
  readonly #call: ServerWritableStream<Buffer, Uint8Array>;
  #waitingBytes = 0;
  #wake = () => {};
  #over = false;

  constructor(call: ServerWritableStream<Buffer, Uint8Array>) {
    this.#call = call;
    const wake = () => this.#wake();
    for (const event of ['drain', 'cancelled', 'close']) call.on(event, wake);
  }

  /** False where nothing more may be written before `again`. */
  write(message: Uint8Array): boolean {
    if (this.#call.write(message)) {
      this.#waitingBytes = 0;
      return true;
    }
    this.#waitingBytes += message.length;
    return this.#waitingBytes < MAX_WAITING_BYTES && !isTurnOver();
  }

  /** A cancelled call never emits 'drain', so whoever waits for that wakes up for either, and for the call's end. */
  async again(): Promise<void> {
    this.#waitingBytes = 0;
    if (this.#over || this.#call.cancelled || this.#call.destroyed) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  over(): void {
    this.#over = true;
    this.#wake();
  }
}

function isTurnOver(): boolean {
  const now = performance.now();
  if (since === undefined) {
    since = now;
    setImmediate(() => {
      since = undefined;
    });
  }
  return now - since > LONGEST_STRETCH;
}
