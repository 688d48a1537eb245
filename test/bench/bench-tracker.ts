import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Client, credentials } from '@grpc/grpc-js';
import { IssueServiceService } from '../../proto/gen/issue/v1/issue.ts';
import { ProjectServiceService } from '../../proto/gen/project/v1/project.ts';
import { UserServiceService } from '../../proto/gen/user/v1/user.ts';
import { processorTime, type ServerProcess, startServer } from '../support/server-process.ts';
import type { UnaryMethod } from '../support/tracker.ts';
import type { BareAnswers } from './bare.ts';
import type { Target } from './load.ts';
import { onServerCore } from './machine.ts';

/** A tracker with data, on the server's core. */
export interface BenchTracker {
  readonly server: ServerProcess;
  readonly grpc: Target;
  readonly http: Target;
  readonly userId: string;
  readonly projectId: string;
  readonly issueId: string;
  call<Req, Res>(method: UnaryMethod<Req, Res>, request: Partial<Req>): Promise<Res>;
  stop(): Promise<void>;
}

/** As it comes, but for the seeding: validation on, errors and slow calls logged. */
const VARIABLES = { ENVIRONMENT: 'production', LOG_CALLS: 'slow', DB_MIGRATE: 'auto' };
const BATCH = 1000;

export async function benchTracker(
  issues: number,
  variables: Readonly<Record<string, string>> = {},
): Promise<BenchTracker> {
  const server = await startServer({ ...VARIABLES, ...variables }, { prefix: onServerCore });
  const client = new Client(`127.0.0.1:${server.grpcPort}`, credentials.createInsecure());
  const call = <Req, Res>(method: UnaryMethod<Req, Res>, request: Partial<Req>) =>
    new Promise<Res>((resolve, reject) => {
      const complete = { ...method.requestDeserialize(Buffer.alloc(0)), ...request };
      client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        complete,
        (error, res) => (error ? reject(error) : resolve(res!)),
      );
    });
  const { user } = await call(UserServiceService.createUser, { name: 'Ada Lovelace', email: 'ada@example.com' });
  const { project } = await call(ProjectServiceService.createProject, { name: 'Core', key: 'CORE' });
  const projectId = project!.id;
  const description = 'It happens on every second try, with an empty form as well. '.repeat(4).slice(0, 200);
  const request = { ...IssueServiceService.createIssue.requestDeserialize(Buffer.alloc(0)), projectId, description };
  let issueId = '';
  for (let made = 0; made < issues; made += BATCH) {
    const requests = Array.from({ length: Math.min(BATCH, issues - made) }, (_, i) => ({
      ...request,
      summary: `Issue ${made + i}: the form loses what was written`.padEnd(60, '.'),
    }));
    const { results } = await call(IssueServiceService.batchCreateIssues, { requests, atomic: true });
    const { result } = results[0]!;
    if (result?.$case === 'written') issueId = result.value.issue!.id;
  }
  const target = (port: number): Target => ({ port, processorTime: () => server.processorTime() });
  return {
    server,
    grpc: target(server.grpcPort),
    http: target(server.httpPort),
    userId: user!.id,
    projectId,
    issueId,
    call,
    async stop() {
      client.close();
      await server.stop();
    },
  };
}

export interface BareServers {
  readonly grpc: Target;
  readonly http: Target;
  readonly koa: Target;
  stop(): Promise<void>;
}

export async function bareServers(answers: BareAnswers): Promise<BareServers> {
  const [command, ...args] = [...onServerCore, process.execPath, join(import.meta.dirname, 'bare.ts')];
  const child = spawn(command!, [...args, JSON.stringify(answers)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const ports = JSON.parse(line.toString()) as Record<'grpc' | 'http' | 'koa', number>;
  const target = (port: number): Target => ({ port, processorTime: () => processorTime(child) });
  return {
    grpc: target(ports.grpc),
    http: target(ports.http),
    koa: target(ports.koa),
    async stop() {
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    },
  };
}
