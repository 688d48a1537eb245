import type { SchemaOutput, StandardSchema } from './schema.ts';

/** The version of the plugin contract in this file; plugins name the range they were written for. */
export const KERNEL_VERSION = '1.0.0';

declare const carried: unique symbol;

/** Names a service that exactly one enabled plugin provides, and carries its type. */
export interface Token<T> {
  readonly kind: 'token';
  readonly id: string;
  readonly [carried]?: (value: T) => T;
}

/** Names a place that many plugins add to and one reads, and carries the type of what is added. */
export interface Point<T> {
  readonly kind: 'point';
  readonly id: string;
  readonly order: PointOrder;
  readonly [carried]?: (value: T) => T;
}

/**
 * 'collector-last': the collector is set up and started after every contributor, and drained before them.
 * 'any': contributing says nothing about order; everything is contributed before the first plugin starts.
 */
export type PointOrder = 'collector-last' | 'any';

export function token<T>(id: string): Token<T> {
  return { kind: 'token', id };
}

export function point<T>(id: string, order: PointOrder = 'any'): Point<T> {
  return { kind: 'point', id, order };
}

// biome-ignore lint/suspicious/noExplicitAny: a token is invariant in its type, and here every type is meant
export type Tokens = Readonly<Record<string, Token<any>>>;
// biome-ignore lint/suspicious/noExplicitAny: as above
export type Points = Readonly<Record<string, Point<any>>>;
type ServiceOf<T> = T extends Token<infer S> ? S : never;
type ItemOf<P> = P extends Point<infer I> ? I : never;

/** Fields first, then a sentence, as in pino. Never a secret, never the body of a request. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Logger;
}

/** Something contributed, with the name of the plugin that did. */
export interface Contribution<T> {
  readonly plugin: string;
  readonly value: T;
}

export interface SetupContext<R extends Tokens, O extends Tokens, C extends Points, S extends StandardSchema> {
  /** The plugin's configuration as its schema returned it. */
  readonly config: SchemaOutput<S>;
  /** The required services, and the optional ones where an enabled plugin provides them. */
  readonly deps: { readonly [K in keyof R]: ServiceOf<R[K]> } & { readonly [K in keyof O]?: ServiceOf<O[K]> };
  /** Adds to a declared point; only during setup. */
  readonly contribute: { readonly [K in keyof C]: (...items: ItemOf<C[K]>[]) => void };
  /** Carries the plugin's name. */
  readonly log: Logger;
  /** Aborted when setup passes its deadline or the start is called off. */
  readonly signal: AbortSignal;
  /**
   * Registers the release of something, right after it was acquired. Releases run last in, first out across all
   * plugins, after every plugin has drained, and also when a later step of the start fails.
   */
  readonly defer: (what: string, release: () => void | Promise<void>) => void;
}

interface Phases<L extends Points> {
  /** Listens, subscribes, schedules. Gets what the declared points collected, in plan order. */
  start?(
    collected: { readonly [K in keyof L]: readonly Contribution<ItemOf<L[K]>>[] },
    signal: AbortSignal,
  ): void | Promise<void>;
  /** Stops taking input and finishes what is in hand; the signal is aborted at the deadline. */
  drain?(signal: AbortSignal): void | Promise<void>;
}

/** What setup returns: the provided services, and what to do at start and at drain. */
export type Instance<P extends Tokens, L extends Points> = Phases<L> &
  (keyof P extends never
    ? { readonly provides?: Record<string, never> }
    : { readonly provides: { readonly [K in keyof P]: ServiceOf<P[K]> } });

type SetupResult<P extends Tokens, L extends Points> = keyof P extends never
  ? // biome-ignore lint/suspicious/noConfusingVoidType: a setup that only contributes ends without a return
    Instance<P, L> | undefined | void
  : Instance<P, L>;

export interface PluginSpec<
  R extends Tokens,
  O extends Tokens,
  P extends Tokens,
  C extends Points,
  L extends Points,
  S extends StandardSchema,
> {
  /** Unique among the enabled plugins; a-z, 0-9 and dashes. Also the name of its section in the configuration. */
  readonly name: string;
  /** The range of KERNEL_VERSION that the plugin was written for: '^1.0.0'. */
  readonly kernel: string;
  readonly requires?: R;
  readonly optional?: O;
  readonly provides?: P;
  readonly contributes?: C;
  /** The points that this plugin reads; one collector each. */
  readonly collects?: L;
  /** Absent = the plugin takes no configuration. */
  readonly config?: S;
  /** Top-level configuration keys whose values are never shown. */
  readonly secrets?: readonly string[];
  /** Milliseconds a phase may take, where the kernel's default (30 s up, 8 s down) does not fit. */
  readonly deadlines?: { readonly setup?: number; readonly start?: number; readonly drain?: number };
  setup(
    context: SetupContext<R, O, C, S>,
  ): SetupResult<NoInfer<P>, NoInfer<L>> | Promise<SetupResult<NoInfer<P>, NoInfer<L>>>;
}

const brand: unique symbol = Symbol.for('issue-tracker.plugin');

/** A plugin as the kernel sees it: what it declares, without the types. */
export interface Plugin {
  readonly [brand]: typeof KERNEL_VERSION;
  readonly name: string;
  readonly kernel: string;
  readonly requires: Tokens;
  readonly optional: Tokens;
  readonly provides: Tokens;
  readonly contributes: Points;
  readonly collects: Points;
  readonly config: StandardSchema | undefined;
  readonly secrets: readonly string[];
  readonly deadlines: { readonly setup?: number; readonly start?: number; readonly drain?: number };
  // biome-ignore lint/suspicious/noExplicitAny: the types were checked in definePlugin
  readonly setup: (context: any) => any;
}

export function definePlugin<
  const R extends Tokens = Record<never, never>,
  const O extends Tokens = Record<never, never>,
  const P extends Tokens = Record<never, never>,
  const C extends Points = Record<never, never>,
  const L extends Points = Record<never, never>,
  S extends StandardSchema = StandardSchema<Record<string, never>>,
>(spec: PluginSpec<R, O, P, C, L, S>): Plugin {
  return Object.freeze({
    [brand]: KERNEL_VERSION,
    name: spec.name,
    kernel: spec.kernel,
    requires: spec.requires ?? {},
    optional: spec.optional ?? {},
    provides: spec.provides ?? {},
    contributes: spec.contributes ?? {},
    collects: spec.collects ?? {},
    config: spec.config,
    secrets: spec.secrets ?? [],
    deadlines: spec.deadlines ?? {},
    setup: (context) => spec.setup(context),
  } satisfies Plugin);
}

/** True for what definePlugin returned, also when it came from another copy of this package. */
export function isPlugin(value: unknown): value is Plugin {
  return typeof value === 'object' && value !== null && brand in value;
}
