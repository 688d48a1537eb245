import { api } from '../../core/contracts/api.ts';
import { health } from '../../core/contracts/health.ts';
import { httpRoutes } from '../../core/contracts/http.ts';
import { seeded } from '../../core/contracts/seed.ts';
import { restServer } from '../../core/contracts/servers.ts';
import { definePlugin } from '../../core/kernel/index.ts';
import { OpenStreams } from '../../core/lib/open-streams.ts';
import { Cors } from './cors.ts';
import { createGateway } from './gateway.ts';
import { Gzip } from './gzip.ts';
import { HttpServer } from './server.ts';
import { settings } from './settings.ts';
import { Heartbeats } from './streams/heartbeats.ts';
import { WebSockets } from './streams/web-sockets.ts';
import { buildTable } from './table.ts';

/** The API as JSON over HTTP, by the google.api.http rules of its methods. */
export default definePlugin({
  name: 'rest',
  kernel: '^1.0.0',
  requires: { api },
  // After the seeding, where there is one, so that the first client finds the data.
  optional: { health, seeded },
  provides: { restServer },
  collects: { httpRoutes },
  config: settings,
  setup({ config, deps, log, defer }) {
    const server = new HttpServer(config);
    const open = new OpenStreams();
    const heartbeats = new Heartbeats(config.heartbeatMs);
    defer('http server', () => {
      heartbeats.stop();
      server.close();
    });
    return {
      provides: { restServer: server },
      async start({ httpRoutes }) {
        const cors = config.cors && new Cors(config.cors);
        const router = buildTable(deps.api, httpRoutes, (method) =>
          log.debug({ method }, 'takes a stream, and so has no route'),
        );
        const streams = { open, heartbeats, stalledMs: config.stalledAnswerMs };
        const common = { api: deps.api, router, cors, streams, log };
        const webSockets = new WebSockets({
          ...common,
          maxSubscriptions: config.maxSubscriptions,
          maxMessageBytes: config.maxSocketMessageBytes,
        });
        const gateway = createGateway({
          ...common,
          webSockets,
          maxBodyBytes: config.maxBodyBytes,
          gzip: config.gzip ? new Gzip(config.gzipMinBytes) : undefined,
          held: () => server.held,
          closesAfter: (response) => server.closesAfter(response),
        });
        await server.listen(config.port, config.host, gateway.callback(), webSockets);
        log.info({ port: server.port }, 'serving HTTP');
      },
      drain(signal) {
        deps.health?.draining();
        // Those who connect again at once find nobody here, and go elsewhere.
        return server.drain(signal, () => open.end());
      },
    };
  },
});
