import { once } from 'node:events';
import { type ClientOptions, WebSocket } from 'ws';

export interface Received {
  readonly type: string;
  readonly id: string;
  // biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
  readonly message?: any;
  // biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
  readonly error?: any;
}

export interface SocketClient {
  readonly ws: WebSocket;
  readonly received: readonly Received[];
  send(message: object | string): void;
  /** Settles with the first message, of all, that fits; rejects when the socket closes before. */
  until(fits: (message: Received) => boolean): Promise<Received>;
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
}

export const PROTOCOL = 'tracker.v1';

export async function connect(port: number, path: string, options: ClientOptions = {}): Promise<SocketClient> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}${path}`, PROTOCOL, options);
  const received: Received[] = [];
  const waiting = new Set<() => void>();
  const closed = Promise.withResolvers<{ code: number; reason: string }>();
  const look = () => {
    for (const one of waiting) one();
  };
  ws.on('message', (data) => {
    received.push(JSON.parse(String(data)));
    look();
  });
  ws.on('close', (code, reason) => {
    closed.resolve({ code, reason: String(reason) });
    look();
  });
  await once(ws, 'open');
  return {
    ws,
    received,
    send: (message) => ws.send(typeof message === 'string' ? message : JSON.stringify(message)),
    until: (fits) =>
      new Promise((resolve, reject) => {
        const one = () => {
          const found = received.find(fits);
          if (found) resolve(found);
          else if (ws.readyState === WebSocket.CLOSED)
            reject(new Error(`closed before that came, after ${JSON.stringify(received)}`));
          else return;
          waiting.delete(one);
        };
        waiting.add(one);
        one();
      }),
    closed: closed.promise,
  };
}

/** What the server says to a request for a WebSocket that it refuses. */
export async function refusal(
  port: number,
  path: string,
  protocol: string | undefined,
  options: ClientOptions = {},
): Promise<{ readonly status: number; readonly text: string }> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocol === undefined ? [] : [protocol], options);
  const [, response] = await once(ws, 'unexpected-response');
  let text = '';
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode, text };
}
