/** What plugins, the command and tests may use of the kernel. */
export { type BootOptions, boot, type Running } from './boot.ts';
export type { Section, ShownValue } from './configure.ts';
export { type Builtins, inline, type Layer, type PluginEntry } from './entry.ts';
export { KernelError, PROBLEMS, type Problem, type ProblemCode } from './errors.ts';
export type { Plan, PlannedPlugin } from './plan.ts';
export * from './plugin.ts';
export { type Prepared, prepare } from './prepare.ts';
export { describePlan } from './report.ts';
export type * from './schema.ts';
export { readSettings, type Settings, type SettingsSource } from './settings.ts';
export type { StopReport } from './shutdown.ts';
export { onStopSignals } from './signals.ts';
export type { Matrix, Target, Variable, VariableValue, VariableValues } from './variables.ts';
