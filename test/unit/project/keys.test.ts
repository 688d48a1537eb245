import assert from 'node:assert/strict';
import fc from 'fast-check';
import { baseKey, numberedKey } from '../../../plugins/project/keys.ts';

describe('project keys', () => {
  for (const [name, key] of [
    ['Issue Tracker', 'IT'],
    ['core', 'CORE'],
    ['Infrastructure', 'INFR'],
    ['Über Größe', 'UG'],
    ['x', 'XPRO'],
    ['日本', 'PROJ'],
    ['a b c d e f g h i j k l', 'ABCDEFGHIJ'],
  ] as const)
    it(`are ${key} for '${name}'`, () => {
      assert.equal(baseKey(name), key);
    });

  it('are always keys, whatever the name and the number', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 2, max: 1_000_000 }), (name, n) => {
        assert.match(baseKey(name), /^[A-Z0-9]{2,10}$/);
        assert.match(numberedKey(baseKey(name), n), /^[A-Z0-9]{2,10}$/);
      }),
    );
  });
});
