import type { ComponentHealth, Health, HealthCheck, HealthReport, HealthStatus } from '../../core/contracts/health.ts';
import type { Logger } from '../../core/kernel/index.ts';

export interface MonitorOptions {
  /** Milliseconds between the runs that watch for changes. */
  readonly intervalMs: number;
  /** Milliseconds a check may take. */
  readonly timeoutMs: number;
}

interface RunningCheck {
  readonly required: boolean;
  readonly health: Promise<ComponentHealth>;
}

/** Milliseconds for which a report is good. */
const FRESH_MS = 1000;

/** Runs the checks, for whoever asks and from time to time by itself. */
export class Monitor implements Health {
  readonly #options: MonitorOptions;
  readonly #now: () => number;
  readonly #log: Logger;
  readonly #listeners = new Set<(ready: boolean) => void>();
  readonly #statuses = new Map<string, HealthStatus>();
  #checks: readonly HealthCheck[] = [];
  #timer: NodeJS.Timeout | undefined;
  #latest: readonly RunningCheck[] | undefined;
  #latestAt = 0;
  #ready: boolean | undefined;
  #draining = false;

  constructor(options: MonitorOptions, now: () => number, log: Logger) {
    this.#options = options;
    this.#now = now;
    this.#log = log;
  }

  start(checks: readonly HealthCheck[]): void {
    this.#checks = checks;
    this.#latest = undefined;
    this.#timer = setInterval(() => void this.report(), this.#options.intervalMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async report(): Promise<HealthReport> {
    const checks = this.#running();
    const wasReady = await this.ready();
    const components = await Promise.all(checks.map((check) => check.health));
    const ready = wasReady && !this.#draining;
    const status = !ready ? 'down' : components.every((component) => component.status === 'up') ? 'up' : 'degraded';
    return { status, ready, components };
  }

  async ready(): Promise<boolean> {
    const required = this.#running().filter((check) => check.required);
    const components = await Promise.all(required.map((check) => check.health));
    const ready = !this.#draining && components.every(({ status }) => status !== 'down');
    this.#setReady(ready);
    return ready;
  }

  onReadyChange(listener: (ready: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  draining(): void {
    this.#draining = true;
    this.#setReady(false);
  }

  #running(): readonly RunningCheck[] {
    const now = this.#now();
    if (this.#latest === undefined || now - this.#latestAt >= FRESH_MS) {
      this.#latestAt = now;
      this.#latest = this.#checks.map((check) => ({ required: check.required, health: this.#run(check) }));
    }
    return this.#latest;
  }

  #setReady(ready: boolean): void {
    const before = this.#ready;
    this.#ready = ready;
    // Before the first report, whoever listens has nothing to compare with but "ready".
    if (ready === (before ?? true)) return;
    for (const listener of this.#listeners) listener(ready);
  }

  async #run(check: HealthCheck): Promise<ComponentHealth> {
    const { component, type, required } = check;
    const signal = AbortSignal.timeout(this.#options.timeoutMs);
    let health: ComponentHealth;
    let err: unknown;
    try {
      const { status, detail } = await Promise.race([check.check(signal), aborted(signal)]);
      health = { component, type, required, status, ...(detail === undefined ? {} : { detail }) };
    } catch (error) {
      // What was thrown may hold addresses, names, statements: it goes into the log and not onto a page.
      err = error;
      const detail = signal.aborted ? `no answer within ${this.#options.timeoutMs} ms` : 'the check failed';
      health = { component, type, required, status: 'down', detail };
    }
    this.#logChange(health, err);
    return health;
  }

  #logChange({ component, type, status, detail }: ComponentHealth, err: unknown): void {
    const before = this.#statuses.get(component) ?? 'up';
    this.#statuses.set(component, status);
    if (status === before) return;
    if (status === 'up') this.#log.info({ component, type }, 'a part of the tracker is well again');
    else this.#log.warn({ component, type, status, detail, err }, 'a part of the tracker is not well');
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
}
