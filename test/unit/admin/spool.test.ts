import assert from 'node:assert/strict';
import { Spool } from '../../../plugins/admin/spool.ts';

const PARTS = 5;
const part = (i: number) => Buffer.alloc(200_000, i);

async function* parts() {
  for (let i = 0; i < PARTS; i++) yield part(i);
}

describe('the file of an import', () => {
  it('is read from its beginning again where the transaction that read it broke off, or read it all', async () => {
    await using spool = await Spool.open();
    for await (const _ of spool.filledBy(parts()));
    const whole = Buffer.concat(Array.from({ length: PARTS }, (_, i) => part(i)));
    const conflict = new Error('a conflict');
    const read = async () => {
      const all: Uint8Array[] = [];
      for await (const one of spool.read()) all.push(one);
      return Buffer.concat(all);
    };
    const broken = async () => {
      for await (const _ of spool.read()) throw conflict;
    };
    await assert.rejects(broken(), conflict);
    for (let run = 0; run < 2; run++) assert.ok(whole.equals(await read()));
  });
});
