import { postgres } from '../support/services/postgres.ts';
import { onlyOn } from '../support/stores.ts';
import { testSeed } from '../support/workload.ts';
import { killInstances } from '../torture/streams/killed.ts';
import { stopUnderLoad } from '../torture/streams/stopped.ts';
import { stickStreams } from '../torture/streams/stuck.ts';

/** With small counts; `npm run torture` has the large ones. */
describe('streams of updates', function () {
  this.timeout(120_000);
  const seed = testSeed();
  const says = (figures: string) => console.log(`      ${figures}`);
  before(function () {
    onlyOn(this, 'postgres', 'the servers and their store are of their own');
  });
  afterEach(function () {
    if (this.currentTest?.isFailed()) console.error(`TEST_SEED=${seed}`);
  });

  it('that take nothing are ended with where to resume, cost bounded memory, and hold up no other', async () => {
    says(await stickStreams({ each: 5, waiting: 500, growth: 200 }));
  });

  it('end as unavailable with where to resume when the server is stopped under load, and go on elsewhere', async function () {
    await postgres(this);
    says(await stopUnderLoad({ seed, streams: 10 }));
  });

  it('miss nothing when they are cut and resumed, and the instance that orders the log is killed', async function () {
    await postgres(this);
    says(await killInstances({ seed, kills: 2, every: 600 }));
  });
});
