import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startTracker, type Tracker } from '../support/tracker.ts';

const run = promisify(execFile);
const folder = join(import.meta.dirname, '../../docs/guides');

/** The lines of a guide's shell blocks, in one shell. */
async function follow(guide: string, tracker: Tracker): Promise<string> {
  const text = await readFile(join(folder, guide), 'utf8');
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, lines]) => lines);
  const script = blocks.join('').replaceAll('localhost:8080', `127.0.0.1:${tracker.httpPort}`);
  return (await run('bash', ['-euc', script])).stdout;
}

describe('the guide to workflows', () => {
  let tracker: Tracker;
  before(async () => {
    tracker = await startTracker();
  });
  after(() => tracker.stop());

  it('runs as it is written, but for the port', async () => {
    const printed = await follow('workflows.md', tracker);
    assert.deepEqual(
      [...printed.matchAll(/"reason":"([A-Z_]+)","domain"/g)].map(([, reason]) => reason),
      ['WORKFLOW_VALUE_IN_USE', 'WORKFLOW_VALUE_MISSING'],
      printed,
    );
    assert.match(printed, /"changedIssues":1/);
    const { issue } = (await tracker.http('GET', '/v1/issues/SHOP-1')).body;
    assert.deepEqual(
      [issue.key, issue.type, issue.status, issue.resolution],
      ['WEB-1', 'FEATURE', 'RESOLVED', 'FIXED'],
    );
    assert.ok(printed.endsWith(JSON.stringify({ issue })), 'it ends with the moved issue, by its former key');
  });
});
