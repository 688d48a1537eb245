import assert from 'node:assert/strict';
import type { CallOrigin } from '../../../core/contracts/api.ts';
import { Gate } from '../../../plugins/api/gate.ts';
import { origin } from './support.ts';

const from = (connection: string): CallOrigin => ({ ...origin(), connection: () => connection });

describe('the gate of the running handlers', () => {
  it('gives a connection of the second half of the places its share, and each place back when a call leaves', () => {
    const gate = new Gate('calls', 16);
    for (let i = 0; i < 8; i++) assert.equal(gate.enter(from('a')), undefined);
    const [first, second] = [gate.enter(from('a')), gate.enter(from('a'))];
    const full = () => assert.throws(() => gate.enter(from('a')), { reason: 'TOO_MANY_CALLS' });
    full();
    gate.leave(gate.enter(from('b')));
    full();
    gate.leave(first);
    const third = gate.enter(from('a'));
    full();
    gate.leave(second);
    gate.leave(third);
    gate.leave(gate.enter(from('a')));
  });

  it('has no place for anybody once all are taken', () => {
    const gate = new Gate('calls', 16);
    const held = Array.from({ length: 16 }, (_, i) => gate.enter(from(String(i))));
    assert.throws(() => gate.enter(from('x')), { code: 'RESOURCE_EXHAUSTED' });
    gate.leave(held[0]);
    gate.enter(from('x'));
  });
});
