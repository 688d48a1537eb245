import type { Logger } from '../kernel/plugin.ts';
import { point, token } from '../kernel/plugin.ts';

/**
 * Fills one part of an empty store with sample data, through the plugin's own service, so that counts, keys,
 * events and caches are as if a user had done it.
 */
export interface Seeder {
  /** What it makes: 'users', 'projects' ...; also the name of its count in the settings of the seed plugin. */
  readonly name: string;
  /** The seeders whose data it refers to; one that is not enabled is as one that made nothing. */
  readonly after: readonly string[];
  /** Nothing is seeded unless every part is empty. */
  isEmpty(): Promise<boolean>;
  /** Returns the ids it made, in order. Uses no randomness but the context's. */
  seed(context: SeedContext): Promise<readonly string[]>;
}

export interface SeedContext {
  /** How many to make; 0 when the settings do not say. */
  readonly count: number;
  /** Also make what relates the parts: members, issues. */
  readonly relationships: boolean;
  /** What an earlier seeder made. */
  made(seeder: string): readonly string[];
  readonly random: SeedRandom;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** The same sequence at every start. */
export interface SeedRandom {
  /** An integer, both bounds included. */
  integer(min: number, max: number): number;
  pick<T>(from: readonly T[]): T;
}

export const seeders = point<Seeder>('seed.seeders', 'collector-last');

/**
 * Provided by whoever seeds, and required, where there is one, by servers: a server that requires it starts after the
 * seeding has ended, so its first client finds the data. A store that comes later than the servers is seeded then.
 */
export const seeded = token<Readonly<Record<never, never>>>('seed.done');
