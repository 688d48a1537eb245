import type { Seeder } from '../../core/contracts/seed.ts';
import type { Logger } from '../../core/kernel/index.ts';
import { seededRandom } from '../../core/lib/random.ts';

export interface SeedOptions {
  /** How many to make, by the seeder's name. */
  readonly counts: Readonly<Record<string, number>>;
  readonly relationships: boolean;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Runs the seeders, each after those that it refers to, unless one of them finds something. */
export async function seedAll(seeders: readonly Seeder[], options: SeedOptions): Promise<void> {
  const { counts, relationships, log, signal } = options;
  const made = new Map<string, readonly string[]>();
  for (const seeder of seeders) {
    if (await seeder.isEmpty()) continue;
    log.debug({ found: seeder.name }, 'not seeded: the store is not empty');
    return;
  }
  for (const seeder of seeders) {
    signal.throwIfAborted();
    const ids = await seeder.seed({
      count: counts[seeder.name] ?? 0,
      relationships,
      made: (name) => made.get(name) ?? [],
      // By the seeder's name, so that its data do not depend on which others are enabled.
      random: seededRandom(`seed:${seeder.name}`),
      log,
      signal,
    });
    made.set(seeder.name, ids);
    log.info({ seeder: seeder.name, made: ids.length }, 'seeded');
  }
}

/**
 * Each seeder after those that it names; ties by name. Those that it names and that are not there do not count.
 * Throws where a name is taken twice or seeders wait for each other.
 */
export function inOrder(seeders: readonly Seeder[]): Seeder[] {
  const byName = new Map<string, Seeder>();
  for (const seeder of seeders.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (byName.has(seeder.name)) throw new Error(`two seeders are named '${seeder.name}'`);
    byName.set(seeder.name, seeder);
  }
  const ordered = new Set<Seeder>();
  const visit = (seeder: Seeder, path: readonly string[]) => {
    if (ordered.has(seeder)) return;
    const way = [...path, seeder.name];
    if (path.includes(seeder.name)) throw new Error(`seeders wait for each other: ${way.join(' -> ')}`);
    for (const name of seeder.after.toSorted()) {
      const earlier = byName.get(name);
      if (earlier) visit(earlier, way);
    }
    ordered.add(seeder);
  };
  for (const seeder of byName.values()) visit(seeder, []);
  return [...ordered];
}
