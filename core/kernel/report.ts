import type { Section } from './configure.ts';
import { KERNEL_VERSION } from './plugin.ts';
import type { Prepared } from './prepare.ts';
import type { Variable, VariableValues } from './variables.ts';

/** The plan as text: what runs in which order and why, and each value with where it came from. Secrets are masked. */
export function describePlan(
  { plan, sections }: Prepared,
  variables: readonly Variable[] = [],
  values: VariableValues = new Map(),
): string {
  const lines = [`kernel ${KERNEL_VERSION}, ${plan.plugins.length} plugins, in the order of their start`, ''];
  for (const [i, { name, plugin, entry, reasons }] of plan.plugins.entries()) {
    lines.push(`${String(i + 1).padStart(3)}. ${name}`);
    lines.push(`     enabled by: ${entry.origin}`);
    lines.push(`     placed: ${reasons.length > 0 ? 'after what it needs' : 'waits for nothing'}`);
    lines.push(...reasons.map((reason) => `       ${reason}`));
    const provides = Object.values(plugin.provides).map((token) => `'${token.id}'`);
    if (provides.length > 0) lines.push(`     provides: ${provides.join(', ')}`);
    lines.push(...settings(sections.get(name)));
  }
  if (variables.length > 0) {
    const rows = variables.map(({ name, secret }) => {
      const found = values.get(name);
      const value = found === undefined ? '(not set)' : secret ? '********' : String(found.value);
      return [name, value, found?.origin ?? ''];
    });
    lines.push('', 'variables', ...table(rows).map((row) => `  ${row}`));
  }
  return `${lines.join('\n')}\n`;
}

function settings(section: Section | undefined): string[] {
  const rows = section?.shown.map(({ key, value, origin }) => [`${key} = ${value}`, `(${origin})`]) ?? [];
  return rows.length > 0 ? ['     settings:', ...table(rows).map((row) => `       ${row}`)] : [];
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}
