import { type FieldViolation, invalidFields } from '../../core/contracts/errors.ts';
import type { StatusCategory, Workflow } from '../../core/contracts/projects.ts';

const NAME = /^[A-Z][A-Z0-9_]{0,63}$/;
const NAME_RULE = 'must be 1 to 64 of A-Z, 0-9 and _, beginning with a letter';
const CATEGORIES: readonly StatusCategory[] = ['OPEN', 'ACTIVE', 'DONE'];
const GUARDS = ['ASSIGNEE', 'RESOLUTION'];
const MOST_VALUES = 50;

/** A workflow as it is asked for: the shape of one, of any text. */
export interface WorkflowDraft extends Omit<Workflow, 'statuses'> {
  readonly statuses: readonly {
    readonly name: string;
    readonly category: string;
    readonly guards: readonly string[];
  }[];
}

/**
 * The workflow that the draft is. Throws INVALID_ARGUMENT with all that is wrong unless it is sound: every name that is
 * used is there, every status can be reached, and the rules for issues (plugins/issue) can always be kept.
 */
export function soundWorkflow(draft: WorkflowDraft): Workflow {
  const problems: FieldViolation[] = [];
  const refuse = (field: string, description: string) =>
    problems.push({ field, description, reason: 'INVALID_WORKFLOW' });
  checkNames('types', draft.types, refuse);
  if (draft.types.length === 0) refuse('types', 'must have at least one');
  checkNames('priorities', draft.priorities, refuse);
  if (draft.priorities.length === 0) refuse('priorities', 'must have at least one');
  else if (!draft.priorities.includes(draft.defaultPriority))
    refuse('default_priority', `must be one of ${draft.priorities.join(', ')}`);
  checkNames('resolutions', draft.resolutions, refuse);
  checkStatuses(draft, refuse);
  checkTransitions(draft, refuse);
  if (draft.statuses.length > 0) {
    checkInitial(draft, refuse);
    checkAssigning(draft, refuse);
  }
  if (problems.length > 0) throw invalidFields(problems);
  return draft as Workflow;
}

type Refuse = (field: string, description: string) => void;

/** Names of one kind: well formed, not too many, no two the same. */
function checkNames(field: string, names: readonly string[], refuse: Refuse, part = ''): void {
  if (names.length > MOST_VALUES) refuse(field, `must have at most ${MOST_VALUES}`);
  for (const [index, name] of names.entries()) {
    if (!NAME.test(name)) refuse(`${field}[${index}]${part}`, NAME_RULE);
    else if (names.indexOf(name) < index) refuse(`${field}[${index}]${part}`, 'must be there once');
  }
}

function checkStatuses({ statuses, resolutions }: WorkflowDraft, refuse: Refuse): void {
  const names = statuses.map(({ name }) => name);
  checkNames('statuses', names, refuse, '.name');
  for (const [index, { category, guards }] of statuses.entries()) {
    const at = `statuses[${index}]`;
    if (!CATEGORIES.includes(category as StatusCategory))
      refuse(`${at}.category`, `must be one of ${CATEGORIES.join(', ')}`);
    for (const [place, guard] of guards.entries()) {
      const field = `${at}.guards[${place}]`;
      if (!GUARDS.includes(guard)) refuse(field, `must be one of ${GUARDS.join(', ')}`);
      else if (guards.indexOf(guard) < place) refuse(field, 'must be there once');
      else if (guard === 'RESOLUTION' && category !== 'DONE')
        refuse(field, 'must not be RESOLUTION outside the category DONE: only there issues have one');
    }
  }
  for (const category of CATEGORIES)
    if (!statuses.some((status) => status.category === category))
      refuse('statuses', `must have at least one of the category ${category}`);
  if (resolutions.length === 0 && statuses.some(({ guards }) => guards.includes('RESOLUTION')))
    refuse('resolutions', 'must have at least one: a status needs one');
}

function checkTransitions({ statuses, transitions }: WorkflowDraft, refuse: Refuse): void {
  const names = statuses.map(({ name }) => name);
  const known = `must be one of the statuses ${names.join(', ')}`;
  for (const [index, { from, to }] of transitions.entries()) {
    const at = `transitions[${index}]`;
    if (!names.includes(from)) refuse(`${at}.from`, known);
    else if (transitions.findIndex((each) => each.from === from) < index) refuse(`${at}.from`, 'must be there once');
    for (const [place, target] of to.entries()) {
      const field = `${at}.to[${place}]`;
      if (!names.includes(target)) refuse(field, known);
      else if (to.indexOf(target) < place) refuse(field, 'must be there once');
      else if (target === from) refuse(field, `must be another status than ${from}`);
    }
  }
}

/** Issues begin there, with nothing yet, and come from there to every other status. */
function checkInitial({ statuses, transitions, initialStatus }: WorkflowDraft, refuse: Refuse): void {
  const initial = statuses.find(({ name }) => name === initialStatus);
  if (initial?.category !== 'OPEN' || initial.guards.length > 0)
    refuse(
      'initial_status',
      anyOf('OPEN, without guards', statuses, ({ category, guards }) => category === 'OPEN' && guards.length === 0),
    );
  if (!initial) return;
  const reached = new Set([initialStatus]);
  for (const name of reached)
    for (const { from, to } of transitions) if (from === name) for (const target of to) reached.add(target);
  for (const [index, { name }] of statuses.entries())
    if (NAME.test(name) && !reached.has(name))
      refuse(`statuses[${index}].name`, `must be reachable by transitions from the initial status ${initialStatus}`);
}

/** Assigning must never take an issue where it lacks something, and losing the assignee must always be possible. */
function checkAssigning(draft: WorkflowDraft, refuse: Refuse): void {
  const { statuses, transitions, assignedStatus, unassignedStatus } = draft;
  const open = new Set(statuses.filter(({ category }) => category === 'OPEN').map(({ name }) => name));
  const leadsTo = (name: string, target: string) =>
    transitions.some(({ from, to }) => from === name && to.includes(target));
  const fits = ({ name, category }: WorkflowDraft['statuses'][number]) =>
    category !== 'DONE' && [...open].some((from) => leadsTo(from, name));
  const assigned = statuses.find(({ name }) => name === assignedStatus);
  if (!assigned || !fits(assigned))
    refuse('assigned_status', anyOf('not DONE, one transition away from one that is OPEN', statuses, fits));
  for (const [index, { name, guards }] of statuses.entries())
    if (open.has(name) && guards.includes('ASSIGNEE') && leadsTo(name, assignedStatus))
      refuse(
        `statuses[${index}].guards[${guards.indexOf('ASSIGNEE')}]`,
        `must not be ASSIGNEE in an OPEN status that leads to the assigned status ${assignedStatus}: who is assigned goes on there`,
      );
  const free = ({ category, guards }: WorkflowDraft['statuses'][number]) => category !== 'DONE' && guards.length === 0;
  const unassigned = statuses.find(({ name }) => name === unassignedStatus);
  if (!unassigned || !free(unassigned)) refuse('unassigned_status', anyOf('not DONE, without guards', statuses, free));
}

function anyOf(
  what: string,
  statuses: WorkflowDraft['statuses'],
  fits: (status: WorkflowDraft['statuses'][number]) => boolean,
): string {
  const names = statuses.filter(fits).map(({ name }) => name);
  return `must be a status that is ${what}: ${names.length > 0 ? `one of ${names.join(', ')}` : 'there is none'}`;
}
