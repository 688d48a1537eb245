import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from './free-port.ts';
import type { Step } from './tutorial.ts';

/** What the commands of one step wrote; `code` is 0 for commands that are left running. */
export interface Followed {
  readonly commands: string;
  readonly out: string;
}

/**
 * Does what a tutorial says as a user would: in `cwd`, with the machine's own programs and not those of this checkout. The
 * ports that the page names are replaced by free ones; `skip` is asked for each tag other than `tracker`, whose commands run
 * until the next such step. Throws what a failed command wrote.
 */
export async function follow(
  steps: readonly Step[],
  cwd: string,
  skip: (tag: string) => boolean,
): Promise<readonly Followed[]> {
  const [http, grpc] = [await freePort(), await freePort()];
  const env = { ...userEnvironment(), HTTP_PORT: `${http}`, GRPC_PORT: `${grpc}` };
  const done: Followed[] = [];
  let here = cwd;
  let running: ChildProcess | undefined;
  try {
    for (const step of steps) {
      if (step.kind === 'file') {
        mkdirSync(dirname(join(here, step.path)), { recursive: true });
        writeFileSync(join(here, step.path), step.text);
        continue;
      }
      const commands = step.commands.replaceAll(':8080', `:${http}`).replaceAll(':50052', `:${grpc}`);
      if (step.tag === 'tracker') {
        await stopGroup(running);
        running = await startTracker(commands, here, env);
      } else if (step.tag === '' || !skip(step.tag)) {
        const { out, folder } = await runCommands(commands, here, env);
        here = folder;
        done.push({ commands: step.commands, out });
      }
    }
  } finally {
    await stopGroup(running);
  }
  return done;
}

/** The environment without what npm and this checkout put into it. */
export function userEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name]) =>
      !/^npm_(package|lifecycle|config_local_prefix|command|execpath|node_execpath)|^INIT_CWD$|^NODE_OPTIONS$/.test(
        name,
      ),
  );
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.endsWith('node_modules/.bin'));
  return {
    ...(Object.fromEntries(kept) as Record<string, string>),
    PATH: path.join(delimiter),
    npm_config_prefer_offline: 'true',
    npm_config_audit: 'false',
    npm_config_update_notifier: 'false',
  };
}

const END = '--- the folder at the end:';

async function runCommands(commands: string, cwd: string, env: Record<string, string>) {
  // The page is read by people, who look at each answer before they go on.
  const script = `set -e\n${commands}\necho "${END}$PWD"\n`;
  try {
    const { stdout, stderr } = await promisify(execFile)('bash', ['-c', script], { cwd, env, maxBuffer: 2 ** 24 });
    const [out = '', folder = ''] = stdout.split(END);
    return { out: out + stderr, folder: folder.trim() };
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`these commands of the page failed:\n${commands}\n${stdout}\n${stderr}`, { cause: error });
  }
}

/** Settles when the tracker says that it has started. */
async function startTracker(commands: string, cwd: string, env: Record<string, string>): Promise<ChildProcess> {
  const child = spawn('bash', ['-c', commands], { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  const ready = Promise.withResolvers<void>();
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      out += chunk;
      if (out.includes('"msg":"started"')) ready.resolve();
    });
  child.once('close', () => ready.reject(new Error(`the tracker ended before it was ready:\n${commands}\n${out}`)));
  await ready.promise;
  return child;
}

/** As Ctrl-C in its terminal does. */
async function stopGroup(child: ChildProcess | undefined): Promise<void> {
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  process.kill(-child.pid, 'SIGINT');
  await closed;
}
