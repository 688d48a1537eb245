import type { IncomingHttpHeaders } from 'node:http';
import type { DescField, JsonValue, Message, Registry } from '@bufbuild/protobuf';
import { create, fromJson, mergeFromJson } from '@bufbuild/protobuf';
import { badField, badFields, badRequest } from './errors.ts';
import { IMPLICIT, isObject } from './fields.ts';
import { parseJson } from './json.ts';
import { isWellFormed, locate } from './locate.ts';
import { maskPaths, presentFields } from './mask.ts';
import { parseIfMatch } from './preconditions.ts';
import { parseQuery, queryToJson, textToJson } from './query.ts';
import type { Path } from './router.ts';
import type { MethodRoute, PathBinding, Resume } from './routes.ts';
import { isStrict } from './strict.ts';

export interface RequestParts {
  readonly path: Path;
  /** Without the question mark. */
  readonly query: string;
  readonly body: Buffer | undefined;
  readonly headers: IncomingHttpHeaders;
}

/** A message by the names of its properties. */
type Properties = Record<string, unknown>;

/** The request message of a route. Throws GatewayError with the paths of the fields that are wrong. */
export function decodeRequest(route: MethodRoute, parts: RequestParts, registry: Registry): Message {
  const { json, body, mask } = readJson(route, parts);
  const message = json === undefined ? create(route.input) : toMessage(route, json, parts.body, registry);
  for (const binding of route.path) bind(route, binding, message, parts.path, registry);
  if (route.mask !== undefined) setMask(route, route.mask, message, body, mask);
  if (parts.headers['if-match'] !== undefined) setEtag(route, message, parts.headers['if-match']);
  if (route.resume !== undefined) setResumeToken(route.resume, message, parts.headers['last-event-id']);
  return message;
}

/** The request message of a route from its JSON alone, whatever the route's body is. `text` is what the JSON was read from. */
export function decodeJson(route: MethodRoute, json: JsonValue, text: Buffer, path: Path, registry: Registry): Message {
  const message = toMessage(route, json, text, registry);
  for (const binding of route.path) bind(route, binding, message, path, registry);
  return message;
}

interface RequestJson {
  /** Body and query parameters as the JSON of the request; undefined when there are none. */
  readonly json: JsonValue | undefined;
  /** What the body alone says. */
  readonly body: JsonValue | undefined;
  /** The update mask, taken out of `json`: JSON knows only its names in camelCase. */
  readonly mask: string | undefined;
}

function readJson(route: MethodRoute, { query, body: bytes }: RequestParts): RequestJson {
  const { input } = route;
  const pairs = query === '' ? [] : parseQuery(query);
  if (route.body === '*') {
    const body = bytes === undefined ? {} : parseJson(bytes, input);
    const maskOnly = (path: string) =>
      path === 'update_mask' && route.httpMethod === 'PATCH' ? undefined : 'the body';
    const parameters = pairs.length === 0 ? undefined : queryToJson(input, pairs, maskOnly);
    const inQuery = takeMask(route, parameters);
    const inBody = takeMask(route, body);
    if (inQuery !== undefined && inBody !== undefined)
      throw badField('update_mask', 'must be given once', 'DUPLICATE_FIELD');
    return { json: body, body, mask: inQuery ?? inBody };
  }
  if (route.body === undefined && bytes !== undefined)
    throw badRequest('UNEXPECTED_BODY', 'this method takes no body: its parameters belong into the query string');
  const taken = (path: string) =>
    path === (route.body as DescField | undefined)?.name
      ? 'the body'
      : route.path.some((binding) => binding.name === path)
        ? 'the path'
        : undefined;
  const parameters = pairs.length === 0 ? undefined : queryToJson(input, pairs, taken);
  const mask = takeMask(route, parameters);
  if (route.body === undefined || bytes === undefined) return { json: parameters, body: undefined, mask };
  const body = parseJson(bytes, input, route.body);
  return { json: { ...parameters, [route.body.jsonName]: body }, body, mask };
}

/** Removes a mask that is text, or null; what is neither, or given under both names, is left to be refused. */
function takeMask({ mask }: MethodRoute, json: JsonValue | undefined): string | undefined {
  if (mask === undefined || !isObject(json)) return undefined;
  const names = [mask.name, mask.jsonName].filter((name) => Object.hasOwn(json, name));
  const value = names.length === 1 ? json[names[0]!] : undefined;
  if (typeof value !== 'string' && value !== null) return undefined;
  delete json[names[0]!];
  return value ?? undefined;
}

function toMessage(route: MethodRoute, json: JsonValue, body: Buffer | undefined, registry: Registry): Message {
  try {
    // A lone surrogate can only come from an escape, and protobuf-es does not see it in a Struct.
    if (!body?.includes('\\u') || isWellFormed(json)) {
      const message = fromJson(route.input, json, { registry });
      if (isStrict(route.input, json, registry)) return message;
    }
  } catch {
    // What is wrong is found below.
  }
  throw misfit(route, json, registry);
}

function misfit(route: MethodRoute, json: JsonValue, registry: Registry) {
  if (!isObject(json)) return badRequest('INVALID_JSON', 'the body must be a JSON object');
  const fields = locate(route.input, json, registry);
  return fields.length > 0 ? badFields(fields) : badRequest('INVALID_JSON', 'the body is no JSON form of the request');
}

function bind(route: MethodRoute, binding: PathBinding, message: Message, path: Path, registry: Registry): void {
  const text = capture(binding, path);
  const target = message as unknown as Properties;
  if (binding.property !== undefined) {
    const given = target[binding.property];
    if (given !== undefined && given !== '' && given !== text) throw conflict(binding.name, 'the path');
    target[binding.property] = text;
    return;
  }
  const given = read(message, binding);
  const json = binding.fields.reduceRight<JsonValue>(
    (value, field) => ({ [field.jsonName]: value }),
    textToJson(binding.fields.at(-1)!, text),
  );
  try {
    mergeFromJson(route.input, message, json, { registry });
  } catch {
    throw misfit(route, json, registry);
  }
  if (given !== undefined && !sameValue(given, read(message, binding))) throw conflict(binding.name, 'the path');
}

/** One segment is decoded; of several, an encoded slash stays encoded, so that it can be told from those between. */
function capture({ variable: { start, end } }: PathBinding, path: Path): string {
  if (end === start + 1) return path.decoded[start]!;
  return path.raw
    .slice(start, end)
    .map((segment) =>
      segment
        .split(/(%2F)/i)
        .map((part) => (/^%2F$/i.test(part) ? part : decodeURIComponent(part)))
        .join(''),
    )
    .join('/');
}

/** A bound field's value; undefined where it is absent, or empty and cannot say that it is present. */
function read(message: Message, { fields }: PathBinding): unknown {
  let value: unknown = message;
  for (const field of fields) {
    const properties = value as Properties;
    if (field.oneof !== undefined) {
      const chosen = properties[field.oneof.localName] as { case: string | undefined; value?: unknown };
      if (chosen.case !== undefined && chosen.case !== field.localName)
        throw badField(field.name, `must not be given together with another of ${field.oneof.name}`, 'DUPLICATE_FIELD');
      value = chosen.value;
    } else value = properties[field.localName];
    if (value === undefined) return undefined;
  }
  const isEmpty = value === '' || value === 0 || value === 0n || value === false || (value as Uint8Array).length === 0;
  return isEmpty && fields.at(-1)!.presence === IMPLICIT ? undefined : value;
}

function sameValue(a: unknown, b: unknown): boolean {
  return a === b || (a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0);
}

function setMask(
  { httpMethod, masked }: MethodRoute,
  field: DescField,
  message: Message,
  body: JsonValue | undefined,
  mask: string | undefined,
): void {
  const paths =
    mask !== undefined
      ? maskPaths(mask, masked.message)
      : httpMethod === 'PATCH' && isObject(body)
        ? presentFields(body, masked.message, masked.bound)
        : [];
  if (mask === undefined && paths.length === 0) return;
  const value: Message = create(field.message!);
  (value as unknown as Properties)['paths'] = paths;
  (message as unknown as Properties)[field.localName] = value;
}

function setEtag(route: MethodRoute, message: Message, header: string): void {
  if (route.etag === undefined) {
    if (route.method.policy.effect === 'read') return;
    throw badRequest('IF_MATCH_UNSUPPORTED', 'this method cannot check the header If-Match: leave it out');
  }
  const etag = parseIfMatch(header);
  if (etag === undefined) return;
  const target = message as unknown as Properties;
  const given = target[route.etag];
  if (given !== undefined && given !== '' && given !== etag) throw conflict('etag', 'the header If-Match');
  target[route.etag] = etag;
}

/** An EventSource that connects again asks for the same URL as before: what that says of the beginning no longer holds. */
function setResumeToken({ token, snapshot }: Resume, message: Message, header: string | string[] | undefined): void {
  if (typeof header !== 'string' || header === '') return;
  const target = message as unknown as Properties;
  target[token] = header;
  if (snapshot !== undefined) target[snapshot] = false;
}

function conflict(field: string, where: string) {
  return badField(field, `must be what ${where} says, or be left out`, 'FIELD_CONFLICT');
}
