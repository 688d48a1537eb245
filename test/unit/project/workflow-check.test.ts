import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isDomainError } from '../../../core/contracts/errors.ts';
import type { Workflow } from '../../../core/contracts/projects.ts';
import { allowedFrom, applyRules, categoryOf, missingFor, type State } from '../../../plugins/issue/rules.ts';
import { defaultWorkflow } from '../../../plugins/project/workflow.ts';
import { soundWorkflow, type WorkflowDraft } from '../../../plugins/project/workflow-check.ts';

const names = ['A', 'B', 'C', 'D', 'E'];
const name = fc.constantFrom(...names);
/** Statuses of all categories, in which much is right and anything may be wrong. */
const drafts: fc.Arbitrary<WorkflowDraft> = fc.record({
  types: fc.constant(['T']),
  priorities: fc.constant(['P']),
  defaultPriority: fc.constant('P'),
  resolutions: fc.constant(['R']),
  statuses: fc
    .tuple(
      ...names.map((each, index) =>
        fc.record({
          name: fc.constant(each),
          category:
            index < 3 ? fc.constant(['OPEN', 'ACTIVE', 'DONE'][index]!) : fc.constantFrom('OPEN', 'ACTIVE', 'DONE'),
          guards: fc.subarray(['ASSIGNEE', 'RESOLUTION']),
        }),
      ),
    )
    .map((all) => [...all]),
  initialStatus: fc.constantFrom('A', 'A', 'A', 'D'),
  transitions: fc
    .tuple(...names.map((from) => fc.subarray(names.filter((each) => each !== from)).map((to) => ({ from, to }))))
    .map((all) => [...all]),
  assignedStatus: name,
  unassignedStatus: name,
});

/** Every state that an issue can be in, from the initial one on, with or without an assignee. */
function* reachable(workflow: Workflow): Generator<State> {
  const found = new Map<string, State>();
  const add = (state: State) => found.set(JSON.stringify([state.status, state.resolution, state.assignee]), state);
  const begin = { status: workflow.initialStatus, resolution: null, assignee: null };
  for (const assignee of [null, 'ann']) add(applyRules(workflow, begin, { assignee }));
  for (const state of found.values()) {
    yield state;
    for (const status of allowedFrom(workflow, state.status))
      for (const assignee of [state.assignee, 'ann']) {
        const wish = { status, assignee, ...(categoryOf(workflow, status) === 'DONE' && { resolution: 'R' }) };
        try {
          add(applyRules(workflow, state, wish));
        } catch (error) {
          // What is asked for may lack something.
          if (!isDomainError(error)) throw error;
        }
      }
  }
}

describe('a sound workflow', () => {
  it('is the default one', () => {
    assert.equal(soundWorkflow(defaultWorkflow), defaultWorkflow);
  });

  it('lets every issue that there can be get an assignee and lose it, and leaves none where it lacks something', () => {
    let sound = 0;
    fc.assert(
      fc.property(drafts, (draft) => {
        let workflow: Workflow;
        try {
          workflow = soundWorkflow(draft);
        } catch (error) {
          assert.ok(isDomainError(error) && error.code === 'INVALID_ARGUMENT' && error.fields.length > 0);
          return;
        }
        sound += 1;
        const statuses = new Set<string>();
        for (const state of reachable(workflow)) {
          statuses.add(state.status);
          for (const assignee of ['bob', null]) {
            const after = applyRules(workflow, state, { assignee });
            assert.deepEqual(missingFor(workflow, after.status, after), []);
            assert.equal(after.assignee, assignee);
            if (after.resolution !== null) assert.equal(categoryOf(workflow, after.status), 'DONE');
          }
        }
        assert.deepEqual([...statuses].sort(), names, 'every status can be reached');
      }),
      { numRuns: 20_000 },
    );
    assert.ok(sound > 20, `only ${sound} of the drafts were sound`);
  });
});
