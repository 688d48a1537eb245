import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';

/** Whether the command is there, and runs. */
export async function has(command: string): Promise<boolean> {
  const child = spawn(command, ['--version'], { stdio: 'ignore' });
  return new Promise((resolve) => child.once('error', () => resolve(false)).once('exit', () => resolve(true)));
}

const pins = cpus().length > 1 && (await has('taskset'));

/** Server and load each have a core of their own, where there are two. */
export const onServerCore: readonly string[] = pins ? ['taskset', '-c', '0'] : [];
export const onLoadCore: readonly string[] = pins ? ['taskset', '-c', '1'] : [];

/** Runs a command to its end and returns what it wrote. Rejects, with that, unless it exits with 0. */
export async function run(command: readonly string[]): Promise<string> {
  const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}:\n${text}`);
  return text;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
