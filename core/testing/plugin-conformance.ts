import assert from 'node:assert/strict';
import { type Api, type ApiMethod, api, type CallError, type CallOrigin } from '../contracts/api.ts';
import type { HealthCheck } from '../contracts/health.ts';
import {
  definePlugin,
  inline,
  KERNEL_VERSION,
  KernelError,
  type Logger,
  type Plugin,
  prepare,
} from '../kernel/index.ts';
import { defineSuite, type Exclusions, type Suite, type TestRunner } from './suite.ts';
import { startWith, type TrackerUnderTest } from './tracker.ts';

export interface PluginConformance {
  /** Plugins that are enabled with it, besides the tracker's own. */
  readonly beside?: readonly Plugin[];
  /** Why the plugin does not pass a test, by the test's title. Such a test runs too, and must not pass. */
  readonly exclude?: Exclusions;
}

interface Subject {
  readonly plugin: Plugin;
  readonly config: Settings;
  readonly beside: readonly Plugin[];
}
type Settings = Readonly<Record<string, unknown>>;

/**
 * What the tracker expects of every plugin, ours or a third party's. Each test starts a tracker of its own in this process,
 * on memdb, with the plugin and these settings: any that it accepts, and with ports of 0 where it listens.
 */
export function pluginConformance(
  runner: TestRunner,
  plugin: Plugin,
  sampleConfig: Settings = {},
  { beside = [], exclude = {} }: PluginConformance = {},
): void {
  const subject = { plugin, config: sampleConfig, beside };
  defineSuite(runner, `plugin '${plugin.name}'`, suite, (test) => test(subject), exclude);
}

const suite: Suite<Subject> = {
  async 'has a name, a range of the kernel and settings that the kernel accepts'({ plugin, config }) {
    const entry = inline(plugin, config);
    await prepare([entry]).catch((error: unknown) => {
      // What it requires is not there, and is not the question.
      if (!isKernelError(error, 'MISSING_PROVIDER')) throw error;
    });
    const result = await plugin.config?.['~standard'].validate(config);
    assert.deepEqual(result?.issues ?? [], [], 'the schema refuses the sample settings');
  },

  async 'refuses a setting that it does not know, and names it'({ plugin, config }) {
    const validate = plugin.config?.['~standard'].validate;
    const result = await validate?.({ ...config, noSuchSetting: 1 });
    if (!result) return; // Without a schema the kernel refuses every setting.
    assert.ok(result.issues, 'a misspelt setting passes in silence: make the schema strict');
    const said = JSON.stringify(result.issues);
    assert.match(said, /noSuchSetting/, `the message must name the setting: ${said}`);
  },

  async 'starts with the tracker, logs no error and is healthy'(subject) {
    const errors = await withTracker(subject, async ({ contributed }) => {
      for (const check of contributed(subject.plugin.name).checks) {
        const { status, detail } = await check.check(AbortSignal.timeout(10_000));
        assert.equal(status, 'up', `${check.component} is ${status}: ${detail ?? 'without a detail'}`);
      }
    });
    assert.deepEqual(errors, [], 'logged at the level error');
  },

  async 'ends a health check whose signal is aborted'(subject) {
    await withTracker(subject, async ({ contributed }) => {
      for (const check of contributed(subject.plugin.name).checks) await endsSoon(check);
    });
  },

  async 'names its tables, keys and indexes as nobody else does'(subject) {
    await withTracker(subject, async ({ running, contributed }) => {
      const owners = new Map<string, string>();
      for (const { name } of running.plan.plugins)
        for (const table of contributed(name).tables)
          for (const each of [table.name, ...Object.keys(table.unique), ...Object.keys(table.indexes)]) {
            const other = owners.get(each);
            // A database has one namespace for the indexes of all tables.
            const shared = other !== undefined && [name, other].includes(subject.plugin.name);
            assert.ok(!shared, `'${other}' and '${name}' both name a table, a key or an index '${each}'`);
            owners.set(each, name);
          }
    });
  },

  async 'serves every method of its services, by gRPC and by a route'(subject) {
    await withTracker(subject, async ({ running, contributed }) => {
      for (const { definition } of contributed(subject.plugin.name).services)
        for (const { path } of Object.values(definition)) {
          const method = running.service(api).methods.get(path);
          assert.ok(method, `${path} is not served`);
          // A page in a browser on the server's machine reaches HTTP servers there, so what is for that machine need not be.
          if (method.policy.from === 'loopback') continue;
          assert.ok(hasRoute(method), `${path} has no google.api.http option, and so is not there in REST`);
        }
    });
  },

  async 'answers an empty request of every method, or says what is wrong with it'(subject) {
    const errors = await withTracker(subject, async ({ running, contributed }) => {
      for (const { definition } of contributed(subject.plugin.name).services)
        for (const { path } of Object.values(definition)) await callEmpty(running.service(api), path);
    });
    // Such as that a method which writes did not keep its answer.
    assert.deepEqual(errors, [], 'logged at the level error');
  },

  async 'stops in time and leaves nothing open'(subject) {
    await leavesNothingOpen(() => withTracker(subject, async () => {}));
  },

  async 'leaves nothing open when another plugin fails after it'(subject) {
    for (const phase of ['setup', 'start'] as const)
      await leavesNothingOpen(() =>
        assert.rejects(
          withTracker({ ...subject, beside: [...subject.beside, failingAt(phase)] }, async () => {}),
          (error: unknown) => isKernelError(error, phase === 'setup' ? 'SETUP_FAILED' : 'START_FAILED', FAILING),
        ),
      );
  },

  async 'starts again after it was stopped'(subject) {
    for (let round = 1; round <= 2; round++) await withTracker(subject, async () => {});
  },
};

/** Its name is the last of those that wait for nothing. */
const FAILING = 'zz-fails';

function failingAt(phase: 'setup' | 'start'): Plugin {
  const fail = () => {
    throw new Error('on purpose');
  };
  return definePlugin({
    name: FAILING,
    kernel: `^${KERNEL_VERSION}`,
    setup: phase === 'setup' ? fail : () => ({ start: fail }),
  });
}

/** Runs the test in a started tracker, then stops it, which must go well. Returns the errors that were logged. */
async function withTracker(
  { plugin, config, beside }: Subject,
  test: (tracker: TrackerUnderTest) => Promise<void>,
): Promise<readonly string[]> {
  const errors: string[] = [];
  const log: Logger = {
    debug() {},
    info() {},
    warn() {},
    error: (fields, message) => errors.push(`${message} ${JSON.stringify(fields)}`),
    child: () => log,
  };
  const tracker = await startWith([inline(plugin, config), ...beside.map((each) => inline(each))], log);
  let failed = true;
  try {
    await test(tracker);
    failed = false;
  } finally {
    const { problems } = await tracker.running.stop('the test is over');
    // What the test found comes first.
    const messages = problems.map(({ message }) => message);
    if (!failed) assert.deepEqual(messages, [], 'the stop did not go well');
  }
  return errors;
}

function isKernelError(error: unknown, code: string, plugin = ''): error is KernelError {
  return (
    error instanceof KernelError && error.problems.every((one) => one.code === code && one.message.includes(plugin))
  );
}

async function endsSoon({ component, check }: HealthCheck): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`the check of ${component} goes on after its signal`)), 5_000);
  // It may throw, which is 'down'.
  const ended = (async () => check(AbortSignal.abort()))().catch(() => undefined);
  await Promise.race([ended, promise]).finally(() => clearTimeout(timer));
}

/** google.api.http. */
const HTTP_OPTION = 72_295_728;

function hasRoute({ descriptor }: ApiMethod): boolean {
  const options = descriptor.proto.options;
  return options?.$unknown?.some(({ no }) => no === HTTP_OPTION) ?? false;
}

async function* nothing(): AsyncGenerator<never, void, undefined> {}

async function callEmpty(served: Api, path: string): Promise<void> {
  const method = served.methods.get(path);
  if (!method) return;
  const gone = new AbortController();
  const headers = new Map(method.policy.effect === 'write' ? [['idempotency-key', 'conformance']] : []);
  const origin: CallOrigin = { signal: gone.signal, header: (name) => headers.get(name) };
  try {
    if (method.descriptor.methodKind === 'unary') await served.unary(method, new Uint8Array(), origin);
    else if (method.requestStream) await served.clientStream(method, nothing(), { ...origin, header: () => undefined });
    else {
      const messages = served.serverStream(method, new Uint8Array(), origin)[Symbol.asyncIterator]();
      const first = messages.next();
      // It may wait for something to happen.
      await Promise.race([first, turns(20)]);
      gone.abort();
      await first;
      await messages.return?.();
    }
  } catch (error) {
    const { code, message } = error as CallError;
    const unclear = ['INTERNAL', 'UNKNOWN', 'DATA_LOSS', undefined].includes(code);
    assert.ok(!unclear, `${path} answers an empty request with ${code}: ${message}`);
  }
}

/** Runs something and fails when it leaves sockets, timers or the like that keep the process alive. */
async function leavesNothingOpen(run: () => Promise<unknown>): Promise<void> {
  // What is loaded and warmed up once stays, and is not the question.
  await run();
  await turns(50);
  const before = open();
  await run();
  // A socket needs some turns to close.
  const until = performance.now() + 3_000;
  while (left(before).length > 0 && performance.now() < until) await turns(1);
  assert.deepEqual(left(before), [], 'these keep the process alive');
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** The kinds of what keeps the process alive. */
const open = () => process.getActiveResourcesInfo().filter((kind) => kind !== 'Immediate');

/** What is open now and was not before. */
function left(before: readonly string[]): string[] {
  const known = [...before];
  return open().filter((kind) => {
    const at = known.indexOf(kind);
    if (at >= 0) known.splice(at, 1);
    return at < 0;
  });
}
