import { METHODS } from 'node:http';
import type { DescField, DescMessage, DescMethod, Registry } from '@bufbuild/protobuf';
import { getExtension, hasExtension, ScalarType } from '@bufbuild/protobuf';
import type { Api, ApiMethod } from '../../core/contracts/api.ts';
import { FIELD_MASK } from './fields.ts';
import { type JsonWriter, JsonWriters, type WrittenJson } from './json-writer.ts';
import type { Template, Variable } from './template.ts';
import { parseTemplate } from './template.ts';

/** A field of the request that is taken from the path. */
export interface PathBinding {
  /** In proto names: 'issue.id'. */
  readonly name: string;
  readonly variable: Variable;
  /** From the request message down to the field. */
  readonly fields: readonly DescField[];
  /** Where the field is a string of the request itself: its property. */
  readonly property: string | undefined;
}

/** One HTTP binding of a method, with all that depends on descriptors alone. */
export interface MethodRoute {
  readonly method: ApiMethod;
  /** '*' for any. */
  readonly httpMethod: string;
  readonly template: Template;
  readonly input: DescMessage;
  readonly output: DescMessage;
  /** '*': the body is the request; a field: it is that field; undefined: there is none. */
  readonly body: '*' | DescField | undefined;
  readonly path: readonly PathBinding[];
  /** The request's update_mask. */
  readonly mask: DescField | undefined;
  /** What update_mask names fields of, and those among them that the path gives. */
  readonly masked: { readonly message: DescMessage; readonly bound: ReadonlySet<string> };
  /** The property that If-Match fills. */
  readonly etag: string | undefined;
  /** How a stream of this method is resumed; undefined where it cannot be. */
  readonly resume: Resume | undefined;
  /** Writes the response's body, and finds its etag; of a stream each message, and its resume token. */
  readonly write: JsonWriter;
}

/** Of a method that streams, where request and response both have a string field `resume_token`: properties of the request. */
export interface Resume {
  readonly token: string;
  /** The switch `include_snapshot`, for where a stream begins. */
  readonly snapshot: string | undefined;
}

/** google.api.HttpRule as protobuf-es reads it. */
interface HttpRule {
  readonly pattern:
    | { readonly case: 'get' | 'put' | 'post' | 'delete' | 'patch'; readonly value: string }
    | { readonly case: 'custom'; readonly value: { readonly kind: string; readonly path: string } }
    | { readonly case: undefined };
  readonly body: string;
  readonly responseBody: string;
  readonly additionalBindings: readonly HttpRule[];
}

/** Every binding of every method that takes one request. Throws one Error that names each bad rule by its method and template. */
export function compileRoutes(
  api: Pick<Api, 'methods' | 'registry'>,
  onSkipped: (path: string) => void,
): MethodRoute[] {
  const writers = new JsonWriters(api.registry);
  const routes: MethodRoute[] = [];
  const problems: string[] = [];
  for (const method of api.methods.values()) {
    const rule = httpRuleOf(method.descriptor, api.registry);
    if (rule === undefined) continue;
    if (method.requestStream) {
      onSkipped(method.path);
      continue;
    }
    const bindings = [rule, ...rule.additionalBindings];
    if (bindings.some((binding) => binding !== rule && binding.additionalBindings.length > 0))
      problems.push(`${method.path}: additional_bindings must not nest`);
    for (const binding of bindings) {
      try {
        routes.push(compileRoute(method, binding, writers));
      } catch (error) {
        problems.push(`${method.path}: ${patternText(binding)}: ${(error as Error).message}`);
      }
    }
  }
  if (problems.length > 0) throw new Error(`bad google.api.http rules: ${problems.join('; ')}`);
  return routes;
}

function httpRuleOf(method: DescMethod, registry: Registry): HttpRule | undefined {
  const extension = registry.getExtension('google.api.http');
  const options = method.proto.options;
  if (extension === undefined || options === undefined || !hasExtension(options, extension)) return undefined;
  return getExtension(options, extension) as unknown as HttpRule;
}

/** For people: 'GET /v1/users/{id}'. */
function patternText({ pattern }: Pick<HttpRule, 'pattern'>): string {
  if (pattern.case === undefined) return 'a rule without a pattern';
  if (pattern.case === 'custom') return `${pattern.value.kind} ${pattern.value.path}`;
  return `${pattern.case.toUpperCase()} ${pattern.value}`;
}

function compileRoute(method: ApiMethod, rule: HttpRule, writers: JsonWriters): MethodRoute {
  const { input, output } = method.descriptor;
  const { pattern } = rule;
  if (pattern.case === undefined) throw new Error('needs one of get, put, post, delete, patch, custom');
  const httpMethod = pattern.case === 'custom' ? pattern.value.kind : pattern.case.toUpperCase();
  if (httpMethod !== '*' && (httpMethod === 'CONNECT' || !METHODS.includes(httpMethod)))
    throw new Error(`'${httpMethod}' is not an HTTP method that the server takes`);
  const template = parseTemplate(pattern.case === 'custom' ? pattern.value.path : pattern.value);

  const path = template.variables.map((variable) => bindVariable(input, variable));
  const names = path.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) throw new Error(`the field '${twice}' is bound twice`);

  const body = rule.body === '' ? undefined : rule.body === '*' ? '*' : topLevelField(input, rule.body, 'body');
  if (body !== undefined && (httpMethod === 'GET' || httpMethod === 'HEAD')) throw new Error('GET has no body');
  const prefix = typeof body === 'object' ? `${body.name}.` : '';
  const resume = method.responseStream ? resumeOf(method.descriptor) : undefined;
  const mask = input.fields.find((field) => field.name === 'update_mask' && field.message?.typeName === FIELD_MASK);

  return {
    method,
    httpMethod,
    template,
    input,
    output,
    body,
    path,
    mask: mask?.fieldKind === 'message' ? mask : undefined,
    masked: {
      message: (typeof body === 'object' ? body.message : undefined) ?? input,
      bound: new Set(names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length))),
    },
    etag: stringProperty(input, 'etag'),
    resume,
    write: method.responseStream
      ? writeOnce(responseWriter(output, rule, writers, resume && [stringProperty(output, RESUME_TOKEN)!]))
      : responseWriter(output, rule, writers, etagPath(output)),
  };
}

function responseWriter(
  output: DescMessage,
  rule: HttpRule,
  writers: JsonWriters,
  noted: readonly string[] | undefined,
): JsonWriter {
  if (rule.responseBody === '') return writers.of(output, noted);
  const { jsonName } = topLevelField(output, rule.responseBody, 'response_body');
  return (bytes) => writers.reflect(output, noted, bytes, jsonName);
}

/** A service that hands the same bytes to many streams has them written once. */
function writeOnce(write: JsonWriter): JsonWriter {
  const known = new WeakMap<Uint8Array, WrittenJson>();
  return (bytes) => {
    const before = known.get(bytes);
    if (before !== undefined) return before;
    const written = write(bytes);
    known.set(bytes, written);
    return written;
  };
}

const RESUME_TOKEN = 'resume_token';

function resumeOf({ input, output }: DescMethod): Resume | undefined {
  const token = stringProperty(input, RESUME_TOKEN);
  if (token === undefined || stringProperty(output, RESUME_TOKEN) === undefined) return undefined;
  const snapshot = input.fields.find(({ name }) => name === 'include_snapshot');
  const isSwitch = snapshot?.fieldKind === 'scalar' && snapshot.scalar === ScalarType.BOOL && !snapshot.oneof;
  return { token, snapshot: isSwitch ? snapshot.localName : undefined };
}

function bindVariable(input: DescMessage, variable: Variable): PathBinding {
  const name = variable.field.join('.');
  const fields: DescField[] = [];
  let message: DescMessage | undefined = input;
  for (const part of variable.field) {
    if (message === undefined)
      throw new Error(`the field '${name}' does not exist: '${fields.at(-1)!.name}' is no message`);
    const field: DescField | undefined = message.fields.find((candidate) => candidate.name === part);
    if (field === undefined)
      throw new Error(`the field '${name}' does not exist: ${message.typeName} has no '${part}'`);
    if (field.fieldKind === 'list' || field.fieldKind === 'map')
      throw new Error(`the field '${name}' cannot be in a path: '${part}' is repeated`);
    fields.push(field);
    message = field.message;
  }
  if (message !== undefined) throw new Error(`the field '${name}' cannot be in a path: it is a message`);
  const property = fields.length === 1 ? stringProperty(input, name) : undefined;
  return { name, variable, fields, property };
}

function topLevelField(message: DescMessage, name: string, where: string): DescField {
  const field = message.fields.find((candidate) => candidate.name === name);
  if (field === undefined) throw new Error(`${where}: ${message.typeName} has no field '${name}'`);
  return field;
}

/** The property of a singular string field outside of any oneof. */
function stringProperty(message: DescMessage, name: string): string | undefined {
  const field = message.fields.find((candidate) => candidate.name === name);
  const isString = field?.fieldKind === 'scalar' && field.scalar === ScalarType.STRING && field.oneof === undefined;
  return isString ? field.localName : undefined;
}

/** The etag of the response, or else of its only resource: its only singular message that has one. */
function etagPath(output: DescMessage): string[] | undefined {
  const own = stringProperty(output, 'etag');
  if (own !== undefined) return [own];
  const resources = output.fields.filter(
    (field) => field.fieldKind === 'message' && field.oneof === undefined && stringProperty(field.message, 'etag'),
  );
  const [only] = resources;
  return resources.length === 1 ? [only!.localName, stringProperty(only!.message!, 'etag')!] : undefined;
}
