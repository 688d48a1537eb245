import { ownPostgres, postgres } from '../support/services/postgres.ts';
import { onlyOn } from '../support/stores.ts';
import { testSeed } from '../support/workload.ts';
import { cutAtCommit } from '../torture/faults/commit-cut.ts';
import { exhaustPool } from '../torture/faults/exhausted-pool.ts';
import { killServer } from '../torture/faults/killed.ts';
import { loseConnections } from '../torture/faults/lost-connections.ts';

/** With small counts; `npm run torture` has the large ones. */
describe('the tracker on a PostgreSQL that fails', function () {
  this.timeout(120_000);
  const seed = testSeed();
  const says = (figures: string) => console.log(`      ${figures}`);
  before(function () {
    onlyOn(this, 'postgres', 'they are faults of a server of its own');
  });
  afterEach(function () {
    if (this.currentTest?.isFailed()) console.error(`TEST_SEED=${seed}`);
  });

  it('makes one issue for a key, though the connection is cut at COMMIT and the call repeated', async function () {
    const database = await (await postgres(this)).createDatabase();
    says(await cutAtCommit(database, { seed, cuts: 10 }));
    await database.drop();
  });

  it('says unavailable where a connection is lost in mid-transaction or the server away, and loses no place of its pool', async function () {
    const server = await ownPostgres(this);
    says(await loseConnections(server, { seed, kills: 10 }));
    await server.close();
  });

  it('ends calls by their deadline when the pool is exhausted', async function () {
    says((await exhaustPool(await postgres(this), { calls: 40 })).text);
  });

  it('has everything once that it acknowledged before it was killed in the middle of writes', async () => {
    says(await killServer('postgres', { seed, kills: 2 }));
  });
});
