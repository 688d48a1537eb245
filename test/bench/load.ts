import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median, onLoadCore, run } from './machine.ts';

/** How many requests a second are answered, with so many in flight. */
export type Load = (port: number, inFlight: number, seconds: number) => Promise<number>;

/** Each of a pair in turns, some rounds; the medians, and the median of the rounds' ratios of the first to the second. */
export async function compare(
  ours: () => Promise<number>,
  bare: () => Promise<number>,
  rounds: number,
): Promise<{ readonly ours: number; readonly bare: number; readonly ratio: number }> {
  const pairs: { readonly ours: number; readonly bare: number }[] = [];
  // The first round warms both up.
  for (let round = 0; round <= rounds; round++) {
    const pair = round % 2 ? { bare: await bare(), ours: await ours() } : { ours: await ours(), bare: await bare() };
    if (round > 0) pairs.push(pair);
  }
  return {
    ours: median(pairs.map((pair) => pair.ours)),
    bare: median(pairs.map((pair) => pair.bare)),
    ratio: median(pairs.map((pair) => pair.ours / pair.bare)),
  };
}

/** Connections that carry the calls in flight. */
const connections = (inFlight: number): number => Math.min(inFlight, inFlight > 16 ? 4 : 2);

/** gRPC calls of one method with one and the same request, by h2load. */
export function grpcLoad(path: string, request: Uint8Array): Load {
  return async (port, inFlight, seconds) => {
    const frame = Buffer.concat([Buffer.alloc(5), request]);
    frame.writeUInt32BE(request.length, 1);
    return withFile(frame, async (file) => {
      const clients = connections(inFlight);
      const text = await run([
        ...onLoadCore,
        'h2load',
        ...['-D', String(seconds), '-c', String(clients), '-m', String(inFlight / clients), '-d', file],
        ...['-H', 'te: trailers', '-H', 'content-type: application/grpc'],
        `http://127.0.0.1:${port}${path}`,
      ]);
      const failed = /(\d+) failed, (\d+) errored/.exec(text);
      if (failed?.[1] !== '0' || failed[2] !== '0') throw new Error(`h2load: ${text}`);
      return Number(/([\d.]+) req\/s/.exec(text)?.[1]);
    });
  };
}

/** HTTP requests, by wrk. `body`: of a POST. */
export function httpLoad(path: string, body?: string): Load {
  const script = body === undefined ? '' : post(body);
  return (port, inFlight, seconds) =>
    withFile(Buffer.from(script), async (file) => {
      const text = await run([
        ...onLoadCore,
        'wrk',
        ...['-t', '1', '-c', String(inFlight), '-d', `${seconds}s`, ...(script ? ['-s', file] : [])],
        `http://127.0.0.1:${port}${path}`,
      ]);
      if (/Non-2xx|Socket errors/.test(text)) throw new Error(`wrk: ${text}`);
      return Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
    });
}

const post = (body: string) =>
  `wrk.method = "POST"\nwrk.body = ${JSON.stringify(body)}\nwrk.headers["Content-Type"] = "application/json"\n`;

async function withFile<T>(content: Uint8Array, use: (file: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  const file = join(folder, 'data');
  writeFileSync(file, content);
  try {
    return await use(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
