import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const launcher = join(import.meta.dirname, '../../core/cli/tracker.js');

/** The tracker as a process of its own, on free ports. */
export interface ServerProcess {
  readonly grpcPort: number;
  readonly httpPort: number;
  /** Resident memory in MiB; 0 where the system does not tell. */
  memory(): number;
  /** Milliseconds of processor time that it has used; 0 where the system does not tell. */
  processorTime(): number;
  /** What it logged as warnings and errors. */
  readonly complaints: readonly string[];
  /** As SIGTERM does; resolves with the code with which it ended. */
  stop(): Promise<number | null>;
  /** As `kill -9` does; also where it has ended already. */
  kill(): Promise<void>;
}

/** `prefix`: a command that runs the process, such as taskset. Rejects when the process ends before it is ready. */
export async function startServer(
  variables: Readonly<Record<string, string>> = {},
  { prefix = [], nodeArgs = [] }: { readonly prefix?: readonly string[]; readonly nodeArgs?: readonly string[] } = {},
): Promise<ServerProcess> {
  const [command, ...args] = [...prefix, process.execPath, ...nodeArgs, launcher, 'run'];
  const child = spawn(command!, args, {
    env: { ...process.env, GRPC_PORT: '0', HTTP_PORT: '0', LOG_CALLS: 'none', ...variables },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const complaints: string[] = [];
  const ports = { grpc: 0, http: 0 };
  const ready = new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = JSON.parse(text);
      if (line.msg === 'gRPC is listening') ports.grpc = Number(/\d+$/.exec(line.address)?.[0]);
      if (line.msg === 'serving HTTP') ports.http = line.port;
      if (line.msg === 'started') resolve();
      if (line.level === 'warn' || line.level === 'error') complaints.push(text);
    });
  });
  await ready;
  return {
    grpcPort: ports.grpc,
    httpPort: ports.http,
    memory: () => residentMiB(child),
    processorTime: () => processorTime(child),
    complaints,
    stop: () => ended(child, 'SIGTERM'),
    kill: () => ended(child, 'SIGKILL').then(() => {}),
  };
}

async function ended(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }
  return child.exitCode;
}

function residentMiB({ pid }: ChildProcess): number {
  try {
    return Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024);
  } catch {
    return 0;
  }
}

/** Milliseconds of processor time that a process has used, to 10; 0 where the system does not tell. */
export function processorTime({ pid }: ChildProcess): number {
  try {
    const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ').slice(11, 13);
    return (Number(user) + Number(system)) * 10;
  } catch {
    return 0;
  }
}
