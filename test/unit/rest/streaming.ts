import http from 'node:http';
import type { Call } from '../../../core/contracts/api.ts';
import { restServer } from '../../../core/contracts/servers.ts';
import { boot, inline, type Running } from '../../../core/kernel/index.ts';
import apiPlugin from '../../../plugins/api/plugin.ts';
import restPlugin from '../../../plugins/rest/plugin.ts';
import { echoService, type FollowRequest, followService } from '../../fixtures/echo/echo.ts';
import { recorder } from '../../kernel/support.ts';
import { contributor } from '../api/support.ts';

export type Follow = (request: FollowRequest, call: Call) => AsyncIterable<unknown>;

export interface Streaming {
  readonly running: Running;
  readonly port: number;
  readonly lines: ReturnType<typeof recorder>['lines'];
  get(path: string, headers?: Readonly<Record<string, string>>, method?: string): Promise<Body>;
}

/** A response while it comes. */
export interface Body {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  /** What has come. */
  readonly text: string;
  /** Settles when this has come, or what has come fits; rejects when the body ends before. */
  until(part: string | ((text: string) => boolean)): Promise<string>;
  /** Settles with all of it. */
  readonly ended: Promise<string>;
  pause(): void;
  resume(): void;
  cut(): void;
}

const started: Running[] = [];

export async function startStreaming(
  follow: Follow,
  options: { readonly rest?: object; readonly api?: object } = {},
): Promise<Streaming> {
  const { log, lines } = recorder();
  const running = await boot({
    log,
    entries: [
      inline(apiPlugin, { ...options.api }),
      inline(restPlugin, { host: '127.0.0.1', port: 0, idleGraceMs: 0, ...options.rest }),
      inline(contributor('echo', echoService(), followService(follow))),
    ],
  });
  started.push(running);
  const { port } = running.service(restServer);
  return { running, port, lines, get: (path, headers = {}, method = 'GET') => openBody(port, method, path, headers) };
}

/** Stops what the test has started, also where it failed. */
export async function stopAll(): Promise<void> {
  for (const running of started.splice(0)) await running.stop();
}

export function openBody(
  port: number,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<Body> {
  const { promise, resolve, reject } = Promise.withResolvers<Body>();
  const request = http.request({ port, host: '127.0.0.1', method, path, headers, agent: false });
  request.on('error', reject).on('response', (response) => resolve(bodyOf(response)));
  request.end();
  return promise;
}

function bodyOf(response: http.IncomingMessage): Body {
  let text = '';
  const waiting = new Set<() => void>();
  const ended = Promise.withResolvers<string>();
  const look = () => {
    for (const one of waiting) one();
  };
  response.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
    look();
  });
  response.on('error', () => {});
  response.on('close', () => {
    ended.resolve(text);
    look();
  });
  return {
    status: response.statusCode!,
    headers: response.headers,
    get text() {
      return text;
    },
    until: (part) =>
      new Promise((resolve, reject) => {
        const one = () => {
          if (typeof part === 'string' ? text.includes(part) : part(text)) resolve(text);
          else if (response.closed) reject(new Error(`the body ended without ${part}: ${text}`));
          else return;
          waiting.delete(one);
        };
        waiting.add(one);
        one();
      }),
    ended: ended.promise,
    pause: () => response.pause(),
    resume: () => response.resume(),
    cut: () => response.destroy(),
  };
}

/** Events of a text/event-stream: their fields, in order; comments and `retry` left out. */
export function eventsIn(text: string): { event: string; id: string | undefined; data: unknown }[] {
  return text
    .split('\n\n')
    .slice(0, -1)
    .map((block) => new Map(block.split('\n').map((line) => line.split(/: (.*)/s) as [string, string])))
    .filter((fields) => fields.has('data'))
    .map((fields) => ({
      event: fields.get('event') ?? 'message',
      id: fields.get('id'),
      data: JSON.parse(fields.get('data')!),
    }));
}

/** Turns of the event loop in which somebody who takes messages asks for the next. */
const ASKING_TURNS = 500;

/** Long messages until `stop`, as many as are taken; tells when nobody asks for the next. */
export async function* flood(stop: AbortSignal, onFull: () => void): AsyncGenerator<unknown, void, undefined> {
  while (!stop.aborted) {
    let isAsked = false;
    const look = async () => {
      for (let turn = 0; turn < ASKING_TURNS && !isAsked; turn++) await new Promise((resolve) => setImmediate(resolve));
      if (!isAsked) onFull();
    };
    void look();
    yield { text: 'x'.repeat(100_000) };
    isAsked = true;
  }
}

/** Messages that a test gives when it likes; `end` ends the stream. */
export class Source {
  readonly #given: unknown[] = [];
  #wake = () => {};
  #isOver = false;

  give(...messages: unknown[]): void {
    this.#given.push(...messages);
    this.#wake();
  }

  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  async *messages({ signal }: Call): AsyncGenerator<unknown, void, undefined> {
    const aborted = () => this.#wake();
    signal.addEventListener('abort', aborted);
    while (!signal.aborted) {
      if (this.#given.length > 0) yield this.#given.shift();
      else if (this.#isOver) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}
