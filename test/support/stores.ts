import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fastFolder } from './services/fast-folder.ts';
import { findPostgres } from './services/postgres.ts';

/** What a tracker can keep its data in, as DB_TYPE names it; the suites in test/e2e hold on each of them. */
export const STORES = ['memdb', 'sqlite', 'postgres'] as const;
export type StoreName = (typeof STORES)[number];

/** Those that TEST_STORES names, separated by commas; undefined when it is not set. Throws for one that there is not. */
export function chosenStores(): readonly StoreName[] | undefined {
  const names = process.env['TEST_STORES']?.split(',').filter((name) => name !== '');
  for (const name of names ?? [])
    if (!(STORES as readonly string[]).includes(name))
      throw new Error(`TEST_STORES: there is no '${name}'; choose among ${STORES.join(', ')}`);
  return names as readonly StoreName[] | undefined;
}

/** The one that this process tests; `npm test` starts a process for each. */
export const storeOfTests: StoreName = chosenStores()?.[0] ?? 'memdb';

export interface FreshStore {
  /** DB_TYPE, and where it is. */
  readonly variables: Readonly<Record<string, string>>;
  remove(): Promise<void>;
}

/** An empty store that no other test knows. */
export async function freshStore(name: StoreName = storeOfTests): Promise<FreshStore> {
  if (name === 'memdb') return { variables: { DB_TYPE: 'memdb' }, remove: async () => {} };
  if (name === 'sqlite') {
    const folder = sqliteFolder();
    const SQLITE_PATH = join(folder, 'tracker.db');
    return { variables: { DB_TYPE: 'sqlite', SQLITE_PATH }, remove: async () => removeFolder(folder) };
  }
  const server = await findPostgres();
  if (!server) throw new Error('there is no PostgreSQL to test');
  const { variables, drop } = await server.createDatabase();
  return { variables, remove: drop };
}

/** Skips the test or suite that says nothing new on another store, and why. */
export function onlyOn(context: Mocha.Context, name: StoreName, reason: string): void {
  if (storeOfTests === name) return;
  console.log(`    only on ${name}: ${reason}`);
  context.skip();
}

const folders = new Set<string>();
let cleansUp = false;

function sqliteFolder(): string {
  if (!cleansUp) process.once('exit', () => [...folders].forEach(removeFolder));
  cleansUp = true;
  const folder = fastFolder('sqlite');
  folders.add(folder);
  return folder;
}

function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  folders.delete(folder);
}
