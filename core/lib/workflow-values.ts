import { type FieldViolation, invalidFields } from '../contracts/errors.ts';
import type { ValueMapping, Workflow, WorkflowField } from '../contracts/projects.ts';

/** The values that issues may have in a field. */
export function valuesOf(workflow: Workflow, field: WorkflowField): readonly string[] {
  switch (field) {
    case 'type':
      return workflow.types;
    case 'priority':
      return workflow.priorities;
    case 'status':
      return workflow.statuses.map((status) => status.name);
    case 'resolution':
      return workflow.resolutions;
  }
}

/** What becomes of a value under the workflow after: it stays where that has it; undefined where nothing is said. */
export function valueAfter(
  after: Workflow,
  mappings: readonly ValueMapping[],
  field: WorkflowField,
  value: string,
): string | undefined {
  if (valuesOf(after, field).includes(value)) return value;
  return mappings.find((mapping) => mapping.field === field && mapping.from === value)?.to;
}

/**
 * The mappings of a request, `mappings`. Throws INVALID_ARGUMENT with all that is wrong, unless each maps a value that
 * only the workflow before has to one that the workflow after has, and none maps what another does.
 */
export function readMappings(
  request: readonly { readonly field: string; readonly from: string; readonly to: string }[],
  before: Workflow,
  after: Workflow,
): readonly ValueMapping[] {
  const violations: FieldViolation[] = [];
  const mappings = request as readonly ValueMapping[];
  for (const [index, { field, from, to }] of mappings.entries()) {
    const refuse = (part: string, description: string) =>
      violations.push({ field: `mappings[${index}].${part}`, description, reason: 'INVALID_MAPPING' });
    const allowed = valuesOf(after, field);
    const going = valuesOf(before, field).filter((value) => !allowed.includes(value));
    if (!going.includes(from))
      refuse(
        'from',
        `must be a ${field} that goes: ${going.length > 0 ? `one of ${going.join(', ')}` : 'there is none'}`,
      );
    else if (mappings.findIndex((other) => other.field === field && other.from === from) < index)
      refuse('from', 'must be mapped once');
    if (!allowed.includes(to))
      refuse('to', allowed.length > 0 ? `must be one of ${allowed.join(', ')}` : `cannot be: there is no ${field}`);
  }
  if (violations.length > 0) throw invalidFields(violations);
  return mappings;
}
