import type { DescMethod, DescService, FileRegistry } from '@bufbuild/protobuf';
import type { ApiMethod, Call, MethodDefinition, Policy, ServiceContribution } from '../../core/contracts/api.ts';
import type { Contribution } from '../../core/kernel/index.ts';

/** A method with what it takes to run it. */
export interface BoundMethod extends ApiMethod {
  readonly plugin: string;
  readonly definition: MethodDefinition;
  readonly handle: (request: unknown, call: Call) => unknown;
}

const ACCESS: readonly Policy['access'][] = ['anyone', 'caller', 'admin'];
const EFFECTS: readonly Policy['effect'][] = ['read', 'write'];
const FROM: readonly Policy['from'][] = ['loopback', undefined];
const PATH = /^\/([\w.]+)\/(\w+)$/;

/**
 * Binds each contributed method to its descriptor. What is not declared in full is not served: throws an Error with
 * a sentence for each method that lacks a handler, a policy or a descriptor, and for each of those without a method.
 */
export function bindMethods(
  contributions: readonly Contribution<ServiceContribution>[],
  registry: FileRegistry,
): ReadonlyMap<string, BoundMethod> {
  const methods = new Map<string, BoundMethod>();
  const owners = new Map<string, string>();
  const problems: string[] = [];
  for (const { plugin, value } of contributions) {
    const problem = (text: string) => problems.push(`plugin '${plugin}': ${text}`);
    const services = new Set<DescService>();
    for (const [key, definition] of Object.entries(value.definition)) {
      const found = findMethod(definition.path, registry);
      if (found === undefined) {
        problem(`'${key}' is defined as ${definition.path}, which is in none of the contributed descriptors`);
        continue;
      }
      services.add(found.parent);
      if (shapeProblem(definition, found) !== undefined) {
        problem(`${definition.path} ${shapeProblem(definition, found)}`);
        continue;
      }
      const handler = value.handlers[key];
      const policy = Object.hasOwn(value.policy, key) ? value.policy[key] : undefined;
      if (typeof handler !== 'function') problem(`${definition.path} has no handler: add handlers.${key}`);
      else if (policy === undefined) problem(`${definition.path} has no policy: add policy.${key}`);
      else if (!ACCESS.includes(policy.access) || !EFFECTS.includes(policy.effect) || !FROM.includes(policy.from))
        problem(
          `policy.${key} of ${definition.path} must have an access of ${ACCESS.join(', ')}, an effect of ${EFFECTS.join(', ')}, and a from of loopback or none`,
        );
      else
        methods.set(
          definition.path,
          bind(definition, found, policy, handler.bind(value.handlers) as BoundMethod['handle'], plugin),
        );
    }
    for (const part of ['handlers', 'policy'] as const)
      for (const key of Object.keys(value[part]))
        if (!Object.hasOwn(value.definition, key)) problem(`${part}.${key} belongs to no method of the definition`);
    const defined = new Set(Object.values(value.definition).map(({ path }) => path));
    for (const service of services) {
      for (const { name } of service.methods)
        if (!defined.has(`/${service.typeName}/${name}`))
          problem(`/${service.typeName}/${name} is in the descriptors and not in the definition`);
      const owner = owners.get(service.typeName);
      if (owner !== undefined) problem(`service '${service.typeName}' is already contributed by plugin '${owner}'`);
      owners.set(service.typeName, plugin);
    }
  }
  if (problems.length > 0) throw new Error(problems.join('; '));
  return methods;
}

function findMethod(path: string, registry: FileRegistry): DescMethod | undefined {
  const [, service, name] = PATH.exec(path) ?? [];
  return service === undefined ? undefined : registry.getService(service)?.methods.find((m) => m.name === name);
}

function shapeProblem(definition: MethodDefinition, { methodKind }: DescMethod): string | undefined {
  if (methodKind === 'bidi_streaming')
    return 'streams its request and its response: the API offers calls that stream one of them, or neither';
  if (definition.requestStream !== (methodKind === 'client_streaming'))
    return 'streams its request in the definition or in the descriptors, and not in both: generate both anew';
  if (definition.responseStream !== (methodKind === 'server_streaming'))
    return 'streams its response in the definition or in the descriptors, and not in both: generate both anew';
  return undefined;
}

function bind(
  definition: MethodDefinition,
  descriptor: DescMethod,
  policy: Policy,
  handle: BoundMethod['handle'],
  plugin: string,
): BoundMethod {
  return Object.freeze({
    path: definition.path,
    service: descriptor.parent.typeName,
    name: descriptor.name,
    descriptor,
    requestStream: definition.requestStream,
    responseStream: definition.responseStream,
    policy,
    plugin,
    definition,
    handle,
  });
}
