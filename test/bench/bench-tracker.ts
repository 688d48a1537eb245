import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Client, credentials } from '@grpc/grpc-js';
import { IssueServiceService } from '../../proto/gen/issue/v1/issue.ts';
import { ProjectServiceService } from '../../proto/gen/project/v1/project.ts';
import { UserServiceService } from '../../proto/gen/user/v1/user.ts';
import { type ServerProcess, startServer } from '../support/server-process.ts';
import type { UnaryMethod } from '../support/tracker.ts';
import type { BareAnswers } from './bare.ts';
import { onServerCore } from './machine.ts';

/** A tracker with data, on the server's core. */
export interface BenchTracker {
  readonly server: ServerProcess;
  readonly userId: string;
  readonly projectId: string;
  readonly issueId: string;
  call<Req, Res>(method: UnaryMethod<Req, Res>, request: Partial<Req>): Promise<Res>;
  stop(): Promise<void>;
}

/** In production, as it comes: validation on, errors and slow calls logged. */
const VARIABLES = { ENVIRONMENT: 'production', LOG_CALLS: 'slow' };
const BATCH = 1000;

export async function benchTracker(issues: number): Promise<BenchTracker> {
  const server = await startServer(VARIABLES, { prefix: onServerCore });
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
  return {
    server,
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
  readonly grpc: number;
  readonly http: number;
  readonly koa: number;
  stop(): Promise<void>;
}

export async function bareServers(answers: BareAnswers): Promise<BareServers> {
  const [command, ...args] = [...onServerCore, process.execPath, join(import.meta.dirname, 'bare.ts')];
  const child = spawn(command!, [...args, JSON.stringify(answers)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return {
    ...JSON.parse(line.toString()),
    async stop() {
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    },
  };
}
