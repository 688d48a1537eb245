import { Agent, request as httpRequest, STATUS_CODES } from 'node:http';
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { seededRandom } from '../../core/lib/random.ts';
import { Pool } from './generate.ts';
import { type FuzzRequest, makeRequest } from './requests.ts';

/** What a request may be answered with, whatever it holds: docs/reference/api.md. */
const HTTP = [200, 204, 304, 400, 404, 405, 409, 412, 413, 415, 417, 422, 429, 431];
const GRPC = [
  'OK',
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'FAILED_PRECONDITION',
  'ABORTED',
  'UNIMPLEMENTED',
];
/** In milliseconds. No request of the fuzzer has reason to take as long. */
const HANG = 20_000;

export interface FuzzTarget {
  readonly grpcPort: number;
  readonly httpPort: number;
}

export interface FuzzOptions {
  readonly seed: string;
  readonly cases: number;
  /** Only methods that change nothing. */
  readonly onlyRead?: boolean;
  readonly lanes?: number;
  /** Names and values to ask for; grows with the answers. */
  readonly pool?: Pool;
}

/** How often each answer was given: 'rest 400', 'grpc NOT_FOUND'. */
export type Answers = ReadonlyMap<string, number>;

/**
 * Sends random and mutated requests, each made from the seed and its number. Throws at the first that is answered with
 * anything but what the reference lists, in another form, or not in time: with seed, number and request.
 */
export async function fuzz(
  target: FuzzTarget,
  { seed, cases, onlyRead = false, lanes = 16, pool = new Pool() }: FuzzOptions,
) {
  const answers = new Map<string, number>();
  const agent = new Agent({ keepAlive: true, maxSockets: lanes });
  const client = new Client(`127.0.0.1:${target.grpcPort}`, credentials.createInsecure());
  let next = 0;
  const lane = async () => {
    for (let i = next++; i < cases; i = next++) {
      const request = makeRequest(pool, seededRandom(`${seed}/${i}`), onlyRead);
      try {
        const answer =
          request.surface === 'rest' ? await rest(target, agent, request, pool) : await grpc(client, request);
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
      } catch (error) {
        next = cases;
        throw new Error(`seed ${seed}, case ${i}: ${(error as Error).message}\n${show(request)}`, { cause: error });
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: lanes }, lane));
  } finally {
    agent.destroy();
    client.close();
  }
  return answers as Answers;
}

type Rest = Extract<FuzzRequest, { surface: 'rest' }>;
type Grpc = Extract<FuzzRequest, { surface: 'grpc' }>;

async function rest({ httpPort }: FuzzTarget, agent: Agent, { method, path, headers, body }: Rest, pool: Pool) {
  const { code, type, text } = await new Promise<{ code: number; type: string; text: string }>((resolve, reject) => {
    // Node leaves the length out for methods that have no body as a rule.
    const sized = body === undefined ? headers : { ...headers, 'content-length': body.length };
    const options = { host: '127.0.0.1', port: httpPort, agent, method, path, headers: sized, timeout: HANG };
    const sent = httpRequest(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const coded = response.headers['content-encoding'] !== undefined;
        const type = coded ? '' : (response.headers['content-type'] ?? '');
        resolve({ code: response.statusCode!, type, text: Buffer.concat(chunks).toString() });
      });
    });
    sent.on('timeout', () => sent.destroy(new Error(`no answer in ${HANG} ms`)));
    sent.on('error', reject);
    sent.end(body);
  });
  if (!HTTP.includes(code)) throw new Error(`answered ${code} ${STATUS_CODES[code]}: ${text.slice(0, 1000)}`);
  if (type.startsWith('application/json') && text !== '') {
    const json = JSON.parse(text);
    if (code === 200) pool.harvest(json);
    else if (json.error?.code !== code || !json.error.details?.[0]?.reason)
      throw new Error(`an error without code or reason: ${text.slice(0, 1000)}`);
  }
  return `rest ${code}`;
}

function grpc(client: Client, { path, metadata: pairs, body }: Grpc): Promise<string> {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(pairs)) metadata.set(name, value);
  const bytes = (value: Buffer) => value;
  return new Promise((resolve, reject) => {
    const done = (error: ServiceError | null) => {
      const code = error ? (status[error.code] ?? String(error.code)) : 'OK';
      if (!GRPC.includes(code)) reject(new Error(`answered ${code}: ${error?.details}`));
      else if (error && code !== 'UNIMPLEMENTED' && error.metadata.get('grpc-status-details-bin').length === 0)
        reject(new Error(`${code} without details: ${error.details}`));
      else resolve(`grpc ${code}`);
    };
    client.makeUnaryRequest(path, bytes, bytes, body, metadata, { deadline: Date.now() + HANG }, done);
  });
}

function show(request: FuzzRequest): string {
  const { body, ...rest } = request;
  const text = request.surface === 'rest' ? body?.toString() : body?.toString('base64');
  return `${JSON.stringify(rest)}\n${text?.slice(0, 4000)}`;
}
