import {
  type BootOptions,
  boot,
  definePlugin,
  inline,
  KernelError,
  type Logger,
  type Plugin,
  type Problem,
  type Running,
} from '../../core/kernel/index.ts';

/** A logger that keeps what it is told. */
export function recorder(): { log: Logger; lines: { level: string; fields: object; message: string }[] } {
  const lines: { level: string; fields: object; message: string }[] = [];
  const make = (bound: object): Logger => {
    const at = (level: string) => (fields: object, message: string) =>
      void lines.push({ level, fields: { ...bound, ...fields }, message });
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (fields) => make({ ...bound, ...fields }),
    };
  };
  return { log: make({}), lines };
}

export function bootPlugins(plugins: readonly Plugin[], options: Partial<BootOptions> = {}): Promise<Running> {
  return boot({ entries: plugins.map((plugin) => inline(plugin)), log: recorder().log, ...options });
}

/** The problems that something is refused with. */
export async function problemsOf(attempt: () => unknown): Promise<readonly Problem[]> {
  try {
    await attempt();
  } catch (error) {
    if (error instanceof KernelError) return error.problems;
    throw error;
  }
  throw new Error('expected a KernelError');
}

export async function codesOf(attempt: () => unknown): Promise<string[]> {
  return (await problemsOf(attempt)).map((problem) => problem.code);
}

/** A plugin that notes each phase, and whose phases may be replaced. */
export function tracing(
  events: string[],
  name: string,
  spec: Partial<Parameters<typeof definePlugin>[0]> & {
    onSetup?: (signal: AbortSignal) => unknown;
    onStart?: (signal: AbortSignal) => unknown;
    onDrain?: (signal: AbortSignal) => unknown;
    onRelease?: () => unknown;
    services?: Record<string, unknown>;
  } = {},
): Plugin {
  const { onSetup, onStart, onDrain, onRelease, services = {}, ...rest } = spec;
  return definePlugin({
    kernel: '^1.0.0',
    ...rest,
    name,
    async setup({ defer, signal }) {
      events.push(`setup ${name}`);
      defer(name, async () => {
        events.push(`release ${name}`);
        await onRelease?.();
      });
      await onSetup?.(signal);
      return {
        provides: services as Record<string, never>,
        async start(_collected, aborted) {
          events.push(`start ${name}`);
          await onStart?.(aborted);
        },
        async drain(aborted) {
          events.push(`drain ${name}`);
          await onDrain?.(aborted);
        },
      };
    },
  });
}

export const never = () => new Promise<never>(() => {});

/** A generator of numbers in [0, 1) that a seed repeats (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function shuffle<T>(items: readonly T[], random: () => number): T[] {
  const copy = [...items];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [copy[i], copy[j]] = [copy[j]!, copy[i]!];
  }
  return copy;
}
