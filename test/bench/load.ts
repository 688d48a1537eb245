import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median, onLoadCore, run } from './machine.ts';

const protoset = join(import.meta.dirname, '../../proto/gen/descriptors.binpb');

/** What a load found: answers a second, and how many there were. */
export interface Answered {
  readonly rate: number;
  readonly count: number;
}

/** Keeps so many requests in flight for a while. */
export type Load = (port: number, inFlight: number, seconds: number) => Promise<Answered>;

/** A server under load. */
export interface Target {
  readonly port: number;
  /** Milliseconds of processor time that it has used. */
  processorTime(): number;
}

/** Medians of some rounds. */
export interface Figures {
  /** Answers a second. */
  readonly rate: number;
  /** Microseconds of processor time an answer. */
  readonly cost: number;
}

/**
 * Two servers under the same load, in turns, some rounds. `ratio`: the median of the rounds' ratios of our rate to the
 * other's. `costRatio`: the same of the processor time, the other's to ours; it counts only what the servers do, and so
 * holds on a machine that others use as well.
 */
export async function compare(
  load: (port: number) => Promise<Answered>,
  ours: Target,
  other: Target,
  rounds: number,
): Promise<{ readonly ours: Figures; readonly other: Figures; readonly ratio: number; readonly costRatio: number }> {
  const pairs: { readonly ours: Figures; readonly other: Figures }[] = [];
  // The first round warms both up.
  for (let round = 0; round <= rounds; round++) {
    const first = await measure(load, round % 2 ? other : ours);
    const second = await measure(load, round % 2 ? ours : other);
    if (round > 0) pairs.push(round % 2 ? { ours: second, other: first } : { ours: first, other: second });
  }
  const figures = (of: 'ours' | 'other') => ({
    rate: median(pairs.map((pair) => pair[of].rate)),
    cost: median(pairs.map((pair) => pair[of].cost)),
  });
  return {
    ours: figures('ours'),
    other: figures('other'),
    ratio: median(pairs.map((pair) => pair.ours.rate / pair.other.rate)),
    costRatio: median(pairs.map((pair) => pair.other.cost / pair.ours.cost)),
  };
}

/** One server under a load. */
export async function measure(load: (port: number) => Promise<Answered>, target: Target): Promise<Figures> {
  const before = target.processorTime();
  const { rate, count } = await load(target.port);
  return { rate, cost: ((target.processorTime() - before) * 1000) / count };
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
      return { rate: Number(/([\d.]+) req\/s/.exec(text)?.[1]), count: Number(/(\d+) done/.exec(text)?.[1]) };
    });
  };
}

/** UpdateIssue calls that each give the issue another summary, by ghz. */
export function updateLoad(issueId: string): Load {
  const data = JSON.stringify({ id: issueId, summary: 'Summary {{.RequestNumber}} of {{.WorkerID}}' });
  return async (port, inFlight, seconds) => {
    const text = await run([
      ...onLoadCore,
      ...['ghz', '--insecure', '--protoset', protoset, '--call', 'issuepb.IssueService.UpdateIssue', '-O', 'json'],
      ...['-d', data, '-z', `${seconds}s`, '-c', String(inFlight), '--connections', String(connections(inFlight))],
      `127.0.0.1:${port}`,
    ]);
    const { rps, count } = JSON.parse(text);
    return { rate: rps, count };
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
      const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
      return { rate, count: Number(/(\d+) requests in/.exec(text)?.[1]) };
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
