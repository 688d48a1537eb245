import type { ServerResponse } from 'node:http';
import type { StreamFormat } from './format.ts';
import type { Beating } from './heartbeats.ts';
import { Outlet, Turn } from './outlet.ts';

/** Milliseconds until a stream without a message begins all the same. Until then an error has a status of its own. */
const BEGIN_AFTER = 1000;

/** The body of a response, written as its stream goes on. */
export class StreamBody implements Beating {
  readonly turn: Turn;
  readonly #response: ServerResponse;
  readonly #format: StreamFormat;
  readonly #outlet: Outlet;
  readonly #timer: NodeJS.Timeout;
  #hasBegun = false;
  #isQuiet = true;

  constructor(response: ServerResponse, format: StreamFormat, stalledMs: number) {
    this.#response = response;
    this.#format = format;
    this.#outlet = new Outlet(response, response.req.socket, stalledMs);
    this.turn = new Turn(this.#outlet);
    this.#timer = setTimeout(() => this.#begin(), BEGIN_AFTER).unref();
  }

  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Undefined, or settles when more is taken, or the stream is over. */
  write(text: string): Promise<void> | undefined {
    if (!this.#hasBegun) this.#begin();
    this.#isQuiet = false;
    this.#response.write(text);
    return this.#outlet.isFull ? this.turn.come() : undefined;
  }

  beat(): void {
    if (this.#hasBegun && this.#isQuiet && this.#format.heartbeat !== undefined && !this.#outlet.isFull)
      this.#response.write(this.#format.heartbeat);
    this.#isQuiet = true;
  }

  end(text: string): void {
    if (!this.#hasBegun) this.#begin();
    this.#response.end(text);
  }

  /** Nothing is written any more. */
  close(): void {
    clearTimeout(this.#timer);
  }

  #begin(): void {
    clearTimeout(this.#timer);
    this.#hasBegun = true;
    setStreamHeaders(this.#response, this.#format);
    this.#response.flushHeaders();
    const text = this.#format.begin();
    if (text !== '') this.#response.write(text);
  }
}

export function setStreamHeaders(response: ServerResponse, { contentType }: StreamFormat): void {
  response.statusCode = 200;
  response.setHeader('Content-Type', contentType);
  response.appendHeader('Vary', 'Accept');
  // For whoever is on the way and would compress, or, as nginx, hold messages back until a buffer is full.
  response.setHeader('Cache-Control', 'no-store, no-transform');
  response.setHeader('X-Accel-Buffering', 'no');
}
