import { builtins } from '../../config/builtins.ts';
import type { Plugin } from '../../core/kernel/index.ts';
import { pluginConformance } from '../../core/testing/plugin-conformance.ts';
import { findPostgres, postgres } from '../support/services/postgres.ts';

const server = await findPostgres();
const database = await server?.createDatabase();

/** Settings with which a plugin disturbs no other program of the machine; undefined where the server that it needs is missing. */
const samples: Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>> = {
  grpc: { port: 0, host: '127.0.0.1' },
  rest: { port: 0, host: '127.0.0.1' },
  'storage-postgres': server && {
    host: server.host,
    port: server.port,
    user: server.user,
    password: server.password,
    database: database!.name,
  },
};

for (const [name, load] of Object.entries(builtins)) {
  const plugin = (await load()).default as Plugin;
  if (name in samples && !samples[name])
    it(`plugin '${name}'`, async function () {
      await postgres(this);
    });
  else pluginConformance({ describe, it }, plugin, samples[name]);
}

after(() => database?.drop());
