import {
  createFileRegistry,
  type DescMethod,
  type FileRegistry,
  fromBinary,
  getExtension,
  hasExtension,
  type JsonObject,
  type JsonValue,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import type { SeedRandom } from '../../core/contracts/seed.ts';
import { descriptors } from '../../proto/descriptors.ts';
import { generate, type Pool } from './generate.ts';
import { mutateBytes, mutateJson, mutateText, nasty } from './mutate.ts';

export type FuzzRequest =
  | {
      readonly surface: 'rest';
      readonly method: string;
      readonly path: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: Buffer | undefined;
    }
  | {
      readonly surface: 'grpc';
      readonly path: string;
      readonly metadata: Readonly<Record<string, string>>;
      readonly body: Buffer;
    };

interface Rule {
  readonly pattern: { readonly case: string; readonly value: string };
  readonly body: string;
  readonly additionalBindings: readonly Rule[];
}

const registry: FileRegistry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptors));
const http = registry.getExtension('google.api.http')!;
const methods = [...registry]
  .flatMap((type) => (type.kind === 'service' ? type.methods : []))
  .filter(({ methodKind }) => methodKind === 'unary');

/** None for a method without a route. */
const rulesOf = (method: DescMethod): readonly Rule[] => {
  if (!method.proto.options || !hasExtension(method.proto.options, http)) return [];
  const rule = getExtension(method.proto.options, http) as unknown as Rule;
  return [rule, ...rule.additionalBindings];
};

/** A request of either surface. `onlyRead`: of methods that change nothing. */
export function makeRequest(pool: Pool, random: SeedRandom, onlyRead: boolean): FuzzRequest {
  const readable = methods.filter(({ name }) => !onlyRead || /^(Get|List|Search)/.test(name));
  const method = random.pick(readable);
  return rulesOf(method).length > 0 && random.integer(0, 1)
    ? restRequest(method, pool, random)
    : grpcRequest(method, pool, random);
}

const KEYS = ['', 'key-1', 'key-2', '"key-3"', 'two words', 'x'.repeat(300)];
const TAGS = ['*', '"1"', '"2"', '1', 'W/"1"', '"1", "2"', '""', 'x y', ','];

function grpcRequest(method: DescMethod, pool: Pool, random: SeedRandom): FuzzRequest {
  const bytes = Buffer.from(toBinary(method.input, generate(method.input, pool, random)));
  const key = random.integer(0, 9) === 0 ? random.pick(KEYS) : '';
  const path = `/${method.parent.typeName}/${method.name}`;
  return {
    surface: 'grpc',
    path: random.integer(0, 49) === 0 ? `/${mutateText(path.slice(1), random).replace(/[^!-~]/g, 'x')}` : path,
    metadata: key === '' ? {} : { 'idempotency-key': key },
    body: random.integer(0, 2) === 0 ? mutateBytes(bytes, random) : bytes,
  };
}

function restRequest(method: DescMethod, pool: Pool, random: SeedRandom): FuzzRequest {
  const { integer, pick } = random;
  const rule = pick(rulesOf(method));
  let json = toJson(method.input, generate(method.input, pool, random), { registry }) as JsonObject;
  let path = rule.pattern.value.replace(/\{(\w+)\}/g, (_, name: string) => {
    const field = method.input.fields.find((one) => one.name === name)!;
    const value = json[field.jsonName];
    delete json[field.jsonName];
    return encodeURIComponent(String(integer(0, 29) === 0 ? nasty(random) : (value ?? 'x')).toWellFormed());
  });
  const headers: Record<string, string> = {};
  if (integer(0, 9) === 0) headers['idempotency-key'] = pick(KEYS);
  if (integer(0, 9) === 0) headers['if-match'] = pick(TAGS);
  if (integer(0, 9) === 0) headers['if-none-match'] = pick(TAGS);
  if (integer(0, 9) === 0) headers['accept-encoding'] = pick(['gzip', 'br', 'gzip;q=0', '*', '\t', 'x;q=9']);

  let body: Buffer | undefined;
  if (rule.body === '*') {
    if (integer(0, 1) === 0) json = mutateJson(json, random) as JsonObject;
    body = Buffer.from(JSON.stringify(json) ?? '');
    if (integer(0, 9) === 0) body = mutateBytes(body, random);
    headers['content-type'] =
      integer(0, 29) === 0 ? pick(['text/plain', 'application/json; charset=x', '']) : 'application/json';
  } else {
    const query = new URLSearchParams(pairsOf(json, random));
    if (query.size > 0) path += `?${query}`;
    if (integer(0, 49) === 0) body = Buffer.from('{}');
  }
  if (integer(0, 9) === 0) path = mutateText(path, random);
  const verb = integer(0, 29) === 0 ? pick(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS']) : '';
  // What node's client would not send, or would take for another address.
  path = `/${path.replace(/[^!-~]/g, (char) => encodeURIComponent(char.toWellFormed())).replace(/^\/*/, '')}`;
  return { surface: 'rest', method: verb || rule.pattern.case.toUpperCase(), path, headers, body };
}

function pairsOf(json: JsonObject, random: SeedRandom): [string, string][] {
  const pairs = Object.entries(json).flatMap(([name, value]) =>
    textsOf(value).map((one): [string, string] => [name, one]),
  );
  if (pairs.length > 0 && random.integer(0, 2) === 0) {
    const pair = random.pick(pairs);
    pair[1] = random.integer(0, 1) ? mutateText(pair[1], random) : String(nasty(random)).toWellFormed();
  }
  if (random.integer(0, 19) === 0) pairs.push([random.pick(['nonsense', 'page_size', 'id.x', '']), 'x']);
  return pairs;
}

function textsOf(value: JsonValue): string[] {
  if (Array.isArray(value)) return value.flatMap(textsOf);
  return typeof value === 'object' ? [] : [String(value)];
}
