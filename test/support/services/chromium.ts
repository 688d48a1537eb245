import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium as driver } from 'playwright-core';
import { need } from './need.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const HOW = 'install the package chromium';

/** A real browser, which the test closes; else the test is skipped. */
export function chromium(context: Mocha.Context): Promise<Browser> {
  return need(context, 'Chromium', HOW, async () => {
    const executablePath = find();
    // Its sandbox wants rights that a container does not give; it opens nothing but pages of the tests.
    if (executablePath === undefined) return undefined;
    return driver.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
  });
}

function find(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
