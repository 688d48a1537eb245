import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { z } from 'zod';
import { apiServices, type ServiceContribution } from '../../../core/contracts/api.ts';
import { healthChecks } from '../../../core/contracts/health.ts';
import { type AnyTable, defineTable, tables, uuid } from '../../../core/contracts/tables.ts';
import { definePlugin, type Plugin } from '../../../core/kernel/index.ts';
import { token } from '../../../core/kernel/plugin.ts';
import { pluginConformance } from '../../../core/testing/plugin-conformance.ts';
import { descriptors, echoService } from '../../fixtures/echo/echo.ts';

/** The titles of the tests that the plugin does not pass, each with what was said. */
async function failures(plugin: Plugin, config: Readonly<Record<string, unknown>> = {}): Promise<Map<string, string>> {
  const tests: [title: string, test: () => Promise<void>][] = [];
  pluginConformance(
    { describe: (_title, body) => body(), it: (title, test) => tests.push([title, test]) },
    plugin,
    config,
  );
  const failed = new Map<string, string>();
  for (const [title, test] of tests) await test().catch((error) => failed.set(title, String(error)));
  return failed;
}

const base = { name: 'broken', kernel: '^1.0.0' } as const;
const empty = z.strictObject({});

function serving(contribution: ServiceContribution): Plugin {
  return definePlugin({
    ...base,
    contributes: { apiServices },
    setup: ({ contribute }) => contribute.apiServices(contribution),
  });
}

function withTable(table: AnyTable): Plugin {
  return definePlugin({ ...base, contributes: { tables }, setup: ({ contribute }) => contribute.tables(table) });
}

function withoutRoutes(bytes: Uint8Array): Uint8Array {
  const set = fromBinary(FileDescriptorSetSchema, bytes);
  for (const method of set.file.flatMap((file) => file.service.flatMap((each) => each.method))) delete method.options;
  return toBinary(FileDescriptorSetSchema, set);
}

function withoutRules(bytes: Uint8Array): Uint8Array {
  const set = fromBinary(FileDescriptorSetSchema, bytes);
  for (const field of set.file.flatMap((file) => file.messageType.flatMap((type) => type.field))) delete field.options;
  return toBinary(FileDescriptorSetSchema, set);
}

const EVERY_START = [
  'starts with the tracker, logs no error and is healthy',
  'ends a health check whose signal is aborted',
  'names its tables, keys and indexes as nobody else does',
  'serves every method of its services, by gRPC and by a route',
  'answers an empty request of every method, or says what is wrong with it',
  'stops in time and leaves nothing open',
  'leaves nothing open when another plugin fails after it',
  'starts again after it was stopped',
];

describe('the conformance suite of plugins', () => {
  const cases: Readonly<Record<string, readonly [plugin: () => Plugin, failed: readonly string[], said: RegExp]>> = {
    'a name that the kernel refuses': [
      () => definePlugin({ ...base, name: 'Broken!', config: empty, setup() {} }),
      ['has a name, a range of the kernel and settings that the kernel accepts', ...EVERY_START],
      /BAD_NAME/,
    ],
    'a kernel that is not this one': [
      () => definePlugin({ ...base, kernel: '^9.0.0', config: empty, setup() {} }),
      ['has a name, a range of the kernel and settings that the kernel accepts', ...EVERY_START],
      /KERNEL_RANGE/,
    ],
    'a schema that refuses the sample': [
      () => definePlugin({ ...base, config: z.strictObject({ needed: z.string() }), setup() {} }),
      ['has a name, a range of the kernel and settings that the kernel accepts', ...EVERY_START],
      /needed/,
    ],
    'a schema that lets a misspelt setting pass': [
      () => definePlugin({ ...base, config: z.object({}), setup() {} }),
      ['refuses a setting that it does not know, and names it'],
      /strict/,
    ],
    'a service that nobody provides': [
      () => definePlugin({ ...base, requires: { lost: token<object>('lost') }, setup() {} }),
      EVERY_START,
      /MISSING_PROVIDER.*'lost'/,
    ],
    'a health check that is down': [
      () =>
        definePlugin({
          ...base,
          contributes: { healthChecks },
          setup: ({ contribute }) =>
            contribute.healthChecks({
              component: 'broken',
              type: 'x',
              required: false,
              check: async () => ({ status: 'down', detail: 'no disk' }),
            }),
        }),
      ['starts with the tracker, logs no error and is healthy'],
      /broken is down: no disk/,
    ],
    'an error in the log': [
      () => definePlugin({ ...base, setup: ({ log }) => log.error({}, 'it went wrong') }),
      [
        'starts with the tracker, logs no error and is healthy',
        'answers an empty request of every method, or says what is wrong with it',
      ],
      /it went wrong/,
    ],
    'a table whose index has the name of another plugin’s': [
      () =>
        withTable(
          defineTable({
            name: 'mine',
            columns: { id: uuid() },
            primaryKey: ['id'],
            indexes: { issues_created: ['id'] },
          }),
        ),
      ['names its tables, keys and indexes as nobody else does'],
      /'broken' and 'issue' both name a table, a key or an index 'issues_created'/,
    ],
    'a table of another plugin’s name': [
      () => withTable(defineTable({ name: 'issues', columns: { id: uuid() }, primaryKey: ['id'] })),
      EVERY_START,
      /'issues' is contributed by/,
    ],
    'a method without a policy': [
      () => serving({ ...echoService(), policy: { echo: { access: 'anyone', effect: 'read' } } }),
      EVERY_START,
      /has no policy: add policy.count/,
    ],
    'a method without a route': [
      () => serving({ ...echoService(), descriptors: withoutRoutes(descriptors) }),
      ['serves every method of its services, by gRPC and by a route'],
      /no google.api.http option/,
    ],
    'a handler that a request without fields breaks': [
      () =>
        serving(
          echoService({
            // biome-ignore lint/correctness/useYield: it is broken
            async *count() {
              throw new TypeError("Cannot read properties of undefined (reading 'x')");
            },
          }),
        ),
      ['answers an empty request of every method, or says what is wrong with it'],
      /EchoService\/Count answers an empty request with INTERNAL/,
    ],
    'a method that writes and does not keep its answer': [
      () => {
        const { descriptors, ...echo } = echoService();
        const policy = { ...echo.policy, echo: { access: 'anyone', effect: 'write' } } as const;
        return serving({ ...echo, policy, descriptors: withoutRules(descriptors) });
      },
      ['answers an empty request of every method, or says what is wrong with it'],
      /did not keep its answer.*EchoService\/Echo/,
    ],
    'a timer that runs on': [
      () => definePlugin({ ...base, setup: () => void leaks.push(setInterval(() => {}, 1e6)) }),
      ['stops in time and leaves nothing open', 'leaves nothing open when another plugin fails after it'],
      /Timeout/,
    ],
    'a server that is closed at drain and not by a release': [
      () =>
        definePlugin({
          ...base,
          async setup() {
            const server = createServer();
            servers.push(server);
            await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
            return { drain: () => void server.close() };
          },
        }),
      ['leaves nothing open when another plugin fails after it'],
      /TCPServerWrap/,
    ],
    'a plugin that starts only once': [
      () => {
        let started = false;
        return definePlugin({
          ...base,
          setup() {
            if (started) throw new Error('again?');
            started = true;
          },
        });
      },
      EVERY_START.slice(1),
      /again\?/,
    ],
  };

  const leaks: NodeJS.Timeout[] = [];
  const servers: ReturnType<typeof createServer>[] = [];
  afterEach(() => {
    for (const timer of leaks.splice(0)) clearInterval(timer);
    for (const server of servers.splice(0)) server.close();
  });

  for (const [what, [plugin, titles, said]] of Object.entries(cases))
    it(`refuses ${what}`, async () => {
      const failed = await failures(plugin());
      assert.deepEqual([...failed.keys()].sort(), [...titles].sort(), [...failed.values()].join('\n'));
      assert.match([...failed.values()].join('\n'), said);
    });

  it('lets a plugin pass that only contributes, with settings', async () => {
    const plugin = definePlugin({ ...base, config: z.strictObject({ size: z.number() }), setup() {} });
    assert.deepEqual([...(await failures(plugin, { size: 3 }))], []);
  });
});
