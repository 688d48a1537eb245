import { point, token } from '../kernel/plugin.ts';

export type HealthStatus = 'up' | 'degraded' | 'down';

/** One part's own view of itself. */
export interface HealthCheck {
  /** 'db', 'cache', 'communication' are shown by name in /health; any other under its name. */
  readonly component: string;
  /** What serves it: 'memdb', 'redis' ... */
  readonly type: string;
  /** Not ready without it: /readyz and the gRPC health service say so while it is down. */
  readonly required: boolean;
  /** Ends soon after the signal is aborted (1 s). Throwing is 'down'. Never a secret in the detail. */
  check(signal: AbortSignal): Promise<{ readonly status: HealthStatus; readonly detail?: string }>;
}

export const healthChecks = point<HealthCheck>('health.checks', 'collector-last');

export interface ComponentHealth {
  readonly component: string;
  readonly type: string;
  readonly required: boolean;
  readonly status: HealthStatus;
  readonly detail?: string;
}

export interface HealthReport {
  /** down: a required part is down, or the process is draining. degraded: an optional part is not up. */
  readonly status: HealthStatus;
  readonly ready: boolean;
  readonly components: readonly ComponentHealth[];
}

export interface Health {
  /** Runs the checks, at most once a second for all callers. */
  report(): Promise<HealthReport>;
  /** Whether it can serve. Waits for none of the checks that this does not hang on. */
  ready(): Promise<boolean>;
  /** Says at once, without a check, when the answer to "ready?" changes. Returns the end. */
  onReadyChange(listener: (ready: boolean) => void): () => void;
  /** Not ready from now on: called by the servers when they begin to drain. */
  draining(): void;
}

export const health = token<Health>('health');
