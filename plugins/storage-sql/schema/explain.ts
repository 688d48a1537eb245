import type { MigrationPlan } from '../../../core/contracts/migrations.ts';

/** Why a store cannot serve on what is there, and what to do: one line. */
export function explain({ steps, migrations, problems }: MigrationPlan): string {
  if (problems.length > 0) return `the schema cannot become that of this version: ${problems.join('; ')}`;
  const lossy = steps.filter(({ destructive, required }) => destructive && required);
  if (lossy.length > 0)
    return (
      `the schema is not that of this version, and to change it loses data (${lossy.map(({ what }) => what).join(', ')}): ` +
      "look at 'tracker migrate plan', then run 'tracker migrate apply --allow-destructive'"
    );
  const count = steps.filter(({ required }) => required).length + migrations.length;
  return `the schema is not that of this version (changes to make: ${count}): run 'tracker migrate apply'`;
}
