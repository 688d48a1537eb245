/**
 * Servers that do nothing but answer: what there is to compare with. Started as a process of its own with one argument,
 * the JSON of `BareAnswers`; prints its three ports.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import Koa from 'koa';
import { ListIssuesResponse } from '../../proto/gen/issue/v1/issue.ts';

export interface BareAnswers {
  /** The bytes, in base64, that each gRPC method answers with. */
  readonly grpc: Readonly<Record<string, string>>;
  /** The one that decodes these bytes once, and encodes the message for each call. */
  readonly encoded: string;
  /** The JSON that every HTTP path answers with, and its etag. */
  readonly http: { readonly body: string; readonly etag: string };
}

const answers: BareAnswers = JSON.parse(process.argv[2]!);
const pass = (bytes: Buffer) => bytes;

const grpc = new Server({ 'grpc.enable_channelz': 0 });
for (const [path, base64] of Object.entries(answers.grpc)) {
  const bytes = Buffer.from(base64, 'base64');
  const message = path === answers.encoded ? ListIssuesResponse.decode(bytes) : undefined;
  const respond = message ? () => Buffer.from(ListIssuesResponse.encode(message).finish()) : () => bytes;
  grpc.addService(
    {
      call: {
        path,
        requestStream: false,
        responseStream: false,
        requestSerialize: pass,
        requestDeserialize: pass,
        responseSerialize: pass,
        responseDeserialize: pass,
      },
    },
    { call: (_: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => done(null, respond()) },
  );
}
const grpcPort = await new Promise<number>((resolve, reject) =>
  grpc.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
    error ? reject(error) : resolve(port),
  ),
);

const { body, etag } = answers.http;
const plain = createServer((request, response) => {
  request.resume();
  response.setHeader('Content-Type', 'application/json');
  response.setHeader('Content-Length', Buffer.byteLength(body));
  response.setHeader('ETag', etag);
  response.end(body);
});
const app = new Koa();
app.use((ctx) => {
  ctx.req.resume();
  ctx.set('Content-Type', 'application/json');
  ctx.set('ETag', etag);
  ctx.body = body;
});
const koa = createServer(app.callback());
const ports: number[] = [];
for (const server of [plain, koa]) {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ports.push((server.address() as AddressInfo).port);
}
process.stdout.write(`${JSON.stringify({ grpc: grpcPort, http: ports[0], koa: ports[1] })}\n`);
