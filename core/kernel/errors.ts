/**
 * Every problem that can keep the tracker from starting or stopping well: its code, and the sentence that says who,
 * what, where it was written and what to do. Never a configured value: it may be a secret. docs/reference/errors.md
 * has a row for each code.
 */
export const PROBLEMS = {
  // Settings
  FILE_UNREADABLE: (p: { where: string; reason: string }) =>
    `${p.where} names a file that cannot be read (${p.reason}); correct the path or the file's permissions`,
  BAD_FILE: (p: { where: string; what: string }) => `${p.where}: ${p.what}`,
  UNSET_VARIABLE: (p: { where: string; name: string }) =>
    `${p.where} refers to the variable ${p.name}, which is not set; set it, or give a default: \${${p.name}:-default}`,
  UNKNOWN_CHOICE: (p: { where: string; choices: readonly string[]; near: string | undefined }) =>
    `${p.where} is not one of the choices; choose one of: ${p.choices.join(', ')}${didYouMean(p.near)}`,
  NOT_BUILT: (p: { where: string; choice: string; choices: readonly string[] }) =>
    `${p.where}: '${p.choice}' is not built yet; choose one of: ${p.choices.join(', ')}`,
  BAD_CONFIG: (p: { where: string; what: string; plugin?: string }) =>
    p.plugin === undefined
      ? `${p.where} ${p.what}`
      : `plugin '${p.plugin}' refuses its settings: ${p.what} (${p.where})`,

  // Load
  NOT_FOUND: (p: { use: string; where: string; near: string | undefined }) =>
    `the plugin '${p.use}' (${p.where}) is no built-in, no file and no installed package; ` +
    `correct the name, write a file as './name.ts', or install the package${didYouMean(p.near)}`,
  IMPORT_FAILED: (p: { use: string; where: string; reason: string }) =>
    `the plugin '${p.use}' (${p.where}) could not be imported: ${p.reason}`,
  NOT_A_PLUGIN: (p: { use: string; where: string }) =>
    `'${p.use}' (${p.where}) does not export a plugin; its default export must be what definePlugin() returned`,
  BAD_NAME: (p: { use: string; where: string }) =>
    `the plugin '${p.use}' (${p.where}) has a name that is not made of a-z, 0-9 and dashes; rename it in definePlugin()`,
  KERNEL_RANGE: (p: { plugin: string; where: string; range: string; version: string }) =>
    `plugin '${p.plugin}' (${p.where}) was written for kernel '${p.range}', and this is ${p.version}; ` +
    `install a version of the plugin that fits (a range is written '^1.0.0', '~1.0.0' or '1.0.0')`,
  DUPLICATE_PLUGIN: (p: { plugin: string; wheres: readonly string[] }) =>
    `${p.wheres.length} plugins are named '${p.plugin}' (${p.wheres.join('; ')}); enable only one of them`,

  // Plan
  MISSING_PROVIDER: (p: { plugin: string; token: string; candidates: readonly string[] }) =>
    `plugin '${p.plugin}' requires '${p.token}', which no enabled plugin provides; ${
      p.candidates.length > 0 ? `enable one of: ${quoted(p.candidates)}` : 'enable a plugin that provides it'
    }`,
  TWO_PROVIDERS: (p: { token: string; plugins: readonly string[]; wheres: readonly string[] }) =>
    `'${p.token}' is provided by ${named(p.plugins, p.wheres)}; enable only one of them`,
  TWO_COLLECTORS: (p: { point: string; plugins: readonly string[]; wheres: readonly string[] }) =>
    `the contributions to '${p.point}' are collected by ${named(p.plugins, p.wheres)}; enable only one of them`,
  POINT_MISMATCH: (p: { point: string; plugins: readonly string[]; wheres: readonly string[] }) =>
    `${named(p.plugins, p.wheres)} declare the point '${p.point}' with different orders; ` +
    `import the one object that its contract exports`,
  CYCLE: (p: { plugins: readonly string[]; steps: readonly string[] }) =>
    `the plugins ${quoted(p.plugins)} wait for each other: ${p.steps.join(', ')}; remove one of these dependencies`,

  // Setup and start
  SETUP_FAILED: (p: { plugin: string; where: string; reason: string }) =>
    `plugin '${p.plugin}' (${p.where}) failed in setup: ${p.reason}`,
  START_FAILED: (p: { plugin: string; where: string; reason: string }) =>
    `plugin '${p.plugin}' (${p.where}) failed to start: ${p.reason}`,
  PORT_TAKEN: (p: { plugin: string; where: string; port: string | undefined }) =>
    `plugin '${p.plugin}' cannot listen on ${p.port === undefined ? 'its port' : `port ${p.port}`} (${p.where}), which is in use, ` +
    `by another program or by another plugin of this tracker; choose another port, or stop that program`,
  MISSING_SERVICE: (p: { plugin: string; where: string; name: string; token: string }) =>
    `plugin '${p.plugin}' (${p.where}) promised '${p.token}' and its setup did not return it; ` +
    `return it as provides.${p.name}`,
  UNDECLARED_SERVICE: (p: { plugin: string; where: string; name: string }) =>
    `plugin '${p.plugin}' (${p.where}) returned the service '${p.name}', which it does not declare; ` +
    `add it to the plugin's 'provides'`,
  UNDECLARED_DEPENDENCY: (p: { plugin: string; where: string; name: string }) =>
    `plugin '${p.plugin}' (${p.where}) uses deps.${p.name}, which it does not declare; ` +
    `add it to the plugin's 'requires' or 'optional'`,
  UNDECLARED_POINT: (p: { plugin: string; where: string; name: string }) =>
    `plugin '${p.plugin}' (${p.where}) uses contribute.${p.name}, which it does not declare; ` +
    `add it to the plugin's 'contributes'`,
  LATE_CONTRIBUTION: (p: { plugin: string; where: string; name: string }) =>
    `plugin '${p.plugin}' (${p.where}) called contribute.${p.name} after its setup was over; ` +
    `contribute before setup returns, and await what setup begins`,
  LATE_DEFER: (p: { plugin: string; where: string; what: string }) =>
    `plugin '${p.plugin}' (${p.where}) deferred '${p.what}' after its setup and start were over, so it was released ` +
    `at once; acquire it in setup or start`,
  TIMED_OUT: (p: { plugin: string; where: string; doing: string; ms: number }) =>
    `plugin '${p.plugin}' (${p.where}) did not finish ${p.doing} within ${Math.max(0, Math.round(p.ms))} ms; ` +
    `look at what it waits for, or raise its deadline`,
  CALLED_OFF: (p: { reason: string }) => `the start was called off by ${p.reason}; start again when you want it to run`,

  // Stop
  DRAIN_FAILED: (p: { plugin: string; where: string; reason: string }) =>
    `plugin '${p.plugin}' (${p.where}) failed to drain: ${p.reason}`,
  RELEASE_FAILED: (p: { plugin: string; where: string; what: string; reason: string }) =>
    `plugin '${p.plugin}' (${p.where}) failed to release '${p.what}': ${p.reason}`,
} as const;

export type ProblemCode = keyof typeof PROBLEMS;

export interface Problem {
  readonly code: ProblemCode;
  readonly message: string;
  readonly plugin?: string;
}

export function problem<C extends ProblemCode>(code: C, parts: Parameters<(typeof PROBLEMS)[C]>[0]): Problem {
  const message = (PROBLEMS[code] as (parts: unknown) => string)(parts);
  const plugin = (parts as { plugin?: unknown }).plugin;
  return typeof plugin === 'string' ? { code, message, plugin } : { code, message };
}

/** All problems of one phase. Its message has a line for each: `[CODE] message`. */
export class KernelError extends Error {
  override readonly name = 'KernelError';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[], options?: ErrorOptions) {
    super(problems.map((one) => `[${one.code}] ${one.message}`).join('\n'), options);
    this.problems = problems;
  }
}

/** Throws when there is any problem. */
export function refuse(problems: readonly Problem[]): void {
  if (problems.length > 0) throw new KernelError(problems);
}

/** What someone who wrote `given` most likely meant, if anything comes near. */
export function nearest(given: string, candidates: readonly string[]): string | undefined {
  const lower = given.toLowerCase();
  const ranked = candidates
    .map((name) => ({ name, distance: editDistance(lower, name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  const best = ranked[0];
  if (!best) return undefined;
  const tolerated = best.name.length <= 3 ? 1 : Math.max(2, Math.floor(best.name.length / 3));
  return best.distance <= tolerated ? best.name : undefined;
}

/** One line about anything that was thrown. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.split('\n', 1)[0] ?? '';
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}

function didYouMean(near: string | undefined): string {
  return near === undefined ? '' : `; did you mean '${near}'?`;
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ');
}

function named(plugins: readonly string[], wheres: readonly string[]): string {
  return plugins.map((name, i) => `'${name}' (${wheres[i]})`).join(' and ');
}
