import { token } from '../kernel/plugin.ts';

/** Time as everything that keeps, compares or waits for time sees it. Provided by tests; else the system's clock. */
export interface Clock {
  /** Microseconds since 1970-01-01T00:00:00Z, an integer. */
  now(): number;
}

export const clock = token<Clock>('clock');
