import { DomainError } from '../contracts/errors.ts';

/** Streams that would go on for ever, each with the way to end it when the server drains. */
export class OpenStreams {
  readonly #open = new Set<() => void>();
  #ended = false;

  /** The server drains: none is taken any more. */
  get isEnded(): boolean {
    return this.#ended;
  }

  /** Returns what to call when the stream is over by itself. Once the server drains, ends the stream at once. */
  add(end: () => void): () => void {
    if (this.#ended) {
      end();
      return () => {};
    }
    this.#open.add(end);
    return () => this.#open.delete(end);
  }

  end(): void {
    this.#ended = true;
    for (const end of this.#open) end();
    this.#open.clear();
  }
}

/** What a stream ends with then: UNAVAILABLE tells clients that another try, elsewhere, is in order. */
export function shuttingDown(): DomainError {
  return new DomainError('UNAVAILABLE', 'SHUTTING_DOWN', 'the server is shutting down: connect again and resume', {
    retryAfterMs: 0,
  });
}
