import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import { type Cuttable, cuttable } from '../support/cuttable.ts';
import { chromium } from '../support/services/chromium.ts';
import { onlyOn } from '../support/stores.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';

const board = new URL('../../docs/examples/live.html', import.meta.url);

describe('docs/examples/live.html in a browser', () => {
  let browser: Browser;
  let tracker: Tracker;
  let way: Cuttable;
  let page: Page;
  const problems: string[] = [];

  before(async function () {
    onlyOn(this, 'memdb', 'the page knows the API alone');
    browser = await chromium(this);
  });
  after(() => browser?.close());
  beforeEach(async () => {
    tracker = await startTracker({ CORS_ORIGINS: '*' });
    way = await cuttable(tracker.httpPort);
    page = await browser.newPage();
    problems.length = 0;
    page.on('pageerror', (error) => problems.push(String(error)));
  });
  afterEach(async () => {
    await page.close();
    way.close();
    await tracker.stop();
    assert.deepEqual(problems, []);
  });

  const post = async (path: string, body: object, to = tracker) => {
    const answer = await to.http('POST', path, body);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body;
  };
  const project = async (key: string, to = tracker): Promise<string> =>
    (await post('/v1/projects', { name: key, key }, to)).project.id;
  const issue = (projectId: string, summary: string) => post('/v1/issues', { projectId, summary });
  const open = async () => {
    await page.goto(`${board}?api=http://127.0.0.1:${way.port}`);
    await page.locator('[data-state=live] #board section').first().waitFor();
  };
  const card = (key: string, status: string) => page.locator(`[data-status=${status}] [data-issue=${key}]`);
  /** What happened, as the page tells it, the oldest first. */
  const told = async () => (await page.locator('#log li').allTextContents()).reverse();

  it('shows what is there, and what changes through the API as it changes', async () => {
    const id = await project('LIVE');
    await issue(id, 'Here before <b>all</b>');
    await open();
    assert.equal(await card('LIVE-1', 'NEW').textContent(), 'LIVE-1Here before <b>all</b>');
    await issue(id, 'New');
    await card('LIVE-2', 'NEW').waitFor();
    await post('/v1/issues/LIVE-2:transition', { status: 'CLOSED', resolution: 'FIXED' });
    await card('LIVE-2', 'CLOSED').waitFor();
    await tracker.http('DELETE', '/v1/issues/LIVE-1');
    await card('LIVE-1', 'NEW').waitFor({ state: 'detached' });
    await project('MORE');
    await page.locator('#projects', { hasText: 'LIVE MORE' }).waitFor();
    assert.deepEqual(await told(), [
      'LIVE-2 issue CREATED',
      'LIVE-2 issue UPDATED status resolution',
      'LIVE-1 issue DELETED',
      'MORE project CREATED',
    ]);
  });

  it('misses nothing, and tells nothing twice, where its stream is cut', async () => {
    const id = await project('LIVE');
    await open();
    await issue(id, 'One');
    await card('LIVE-1', 'NEW').waitFor();
    for (let n = 2; n <= 3; n++) {
      way.cut();
      await page.locator('[data-state=reconnecting]').waitFor();
      await issue(id, `Number ${n}`);
      await tracker.http('PATCH', `/v1/issues/LIVE-${n}`, { summary: `Changed ${n}` });
      way.mend();
      await card(`LIVE-${n}`, 'NEW')
        .filter({ hasText: `Changed ${n}` })
        .waitFor();
    }
    assert.deepEqual(await told(), [
      'LIVE-1 issue CREATED',
      'LIVE-2 issue CREATED',
      'LIVE-2 issue UPDATED summary',
      'LIVE-3 issue CREATED',
      'LIVE-3 issue UPDATED summary',
    ]);
  });

  it('begins anew where another store is behind the address', async () => {
    await issue(await project('OLD'), 'Gone');
    await open();
    await card('OLD-1', 'NEW').waitFor();
    const other = await startTracker({ CORS_ORIGINS: '*' });
    await project('NEW', other);
    way.cut();
    way.mend(other.httpPort);
    await page.locator('#projects', { hasText: /^NEW$/ }).waitFor();
    await card('OLD-1', 'NEW').waitFor({ state: 'detached' });
    await page.close();
    await other.stop();
  });
});
