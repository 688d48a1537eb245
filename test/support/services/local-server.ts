import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../free-port.ts';
import { fastFolder } from './fast-folder.ts';

/** What runs a server of the tests. */
export interface ServerSpec {
  readonly name: string;
  /** The command and its arguments; makes in the folder, which is the owner's, what they need. */
  readonly command: (
    folder: string,
    port: number,
    owner: Owner | undefined,
  ) => readonly string[] | Promise<readonly string[]>;
  /** Resolves when it answers, throws as long as it does not. */
  readonly answers: (port: number) => Promise<void>;
  /** Ends it at once and its processes with it, when the tests are over. */
  readonly endSignal: 'KILL' | 'QUIT';
  /** Ends it in good order. */
  readonly stopSignal: 'SIGINT' | 'SIGTERM';
  /** It refuses to run as root: another user runs it. */
  readonly refusesRoot?: boolean;
}

/** The user who owns a server's folder. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const START_MS = 60_000;

/*
 * Runs the server whenever a line comes in. The end of its input is the end of the tests, whatever ended them: then it
 * ends the server, frozen or not, and removes the folder.
 */
const GUARD = `
folder=$1 signal=$2; shift 2
while read -r start; do
  { "$@" </dev/null >>"$folder/log" 2>&1 &
    echo $! >"$folder/pid"; echo "started $!"; wait $!; rm -f "$folder/pid"; echo ended; } &
done
if pid=$(cat "$folder/pid" 2>/dev/null); then
  pkill -CONT -P "$pid" 2>/dev/null
  kill -CONT "$pid"; kill -s "$signal" "$pid"
fi
wait
rm -rf "$folder"`;

/** A server on a free port of 127.0.0.1 with a folder of its own. Nothing of it outlives this process. */
export class LocalServer {
  readonly port: number;
  readonly #spec: ServerSpec;
  readonly #folder: string;
  readonly #guard: ChildProcess;
  readonly #lines: Interface;
  #pid = 0;
  #ended: Promise<unknown> = Promise.resolve();

  /** Starts it, and resolves when it answers. */
  static async start(spec: ServerSpec): Promise<LocalServer> {
    const owner = spec.refusesRoot && process.getuid?.() === 0 ? otherUser() : undefined;
    const folder = fastFolder(spec.name);
    if (owner) chownSync(folder, owner.uid, owner.gid);
    const port = await freePort();
    const server = new LocalServer(spec, port, folder, await spec.command(folder, port, owner), owner);
    await server.start();
    return server;
  }

  private constructor(
    spec: ServerSpec,
    port: number,
    folder: string,
    command: readonly string[],
    owner: Owner | undefined,
  ) {
    this.#spec = spec;
    this.port = port;
    this.#folder = folder;
    // A session of its own: what ends the tests from a terminal must not end the server under them.
    this.#guard = spawn('sh', ['-c', GUARD, 'guard', folder, spec.endSignal, ...command], {
      cwd: folder,
      detached: true,
      stdio: ['pipe', 'pipe', 'ignore'],
      ...owner,
    });
    this.#lines = createInterface({ input: this.#guard.stdout! });
    this.#hold(false);
  }

  /** Starts it again after stop() or kill(), on the same port and data; resolves when it answers. */
  async start(): Promise<void> {
    this.#hold(true);
    try {
      const started = once(this.#lines, 'line');
      this.#guard.stdin!.write('start\n');
      this.#pid = Number(/^started (\d+)$/.exec((await started)[0])?.[1]);
      let running = true;
      this.#ended = once(this.#lines, 'line').then(() => {
        running = false;
      });
      const deadline = Date.now() + START_MS;
      for (;;) {
        const problem = await this.#spec.answers(this.port).then(
          () => undefined,
          (error: Error) => error,
        );
        if (!problem) return;
        if (!running || Date.now() > deadline)
          throw new Error(`${this.#spec.name} does not start: ${problem.message}\n${this.log()}`);
        await delay(20);
      }
    } finally {
      this.#hold(false);
    }
  }

  /** Ends it in good order, and waits for that. */
  stop(): Promise<void> {
    return this.#end(this.#spec.stopSignal);
  }

  /** Ends it as a loss of power does, and waits for that. */
  async kill(): Promise<void> {
    for (const pid of this.#descendants()) send(pid, 'SIGKILL');
    await this.#end('SIGKILL');
  }

  /** From now on it keeps its connections and answers nothing. */
  freeze(): void {
    for (const pid of [this.#pid, ...this.#descendants()]) send(pid, 'SIGSTOP');
  }

  thaw(): void {
    for (const pid of [this.#pid, ...this.#descendants()]) send(pid, 'SIGCONT');
  }

  /** Ends it for good and removes its folder. */
  async close(): Promise<void> {
    this.#hold(true);
    const gone = once(this.#guard, 'exit');
    this.#guard.stdin!.end();
    await gone;
  }

  /** The last of what it printed. */
  log(): string {
    try {
      return readFileSync(join(this.#folder, 'log'), 'utf8').slice(-2_000);
    } catch {
      return '';
    }
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    this.#hold(true);
    send(this.#pid, signal);
    await this.#ended;
    this.#hold(false);
  }

  #descendants(): number[] {
    try {
      return execFileSync('pgrep', ['-P', String(this.#pid)], { encoding: 'utf8' })
        .split('\n')
        .filter(Boolean)
        .map(Number);
    } catch {
      return [];
    }
  }

  /** Whether this process waits for the guard; otherwise it may end when it has nothing else to do. */
  #hold(held: boolean): void {
    const { stdin, stdout } = this.#guard as unknown as Record<'stdin' | 'stdout', { ref(): void; unref(): void }>;
    for (const handle of [this.#guard, stdin, stdout]) held ? handle.ref() : handle.unref();
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function otherUser(): Owner {
  const users = readFileSync('/etc/passwd', 'utf8').split('\n');
  const line = ['postgres', 'nobody'].map((name) => users.find((user) => user.startsWith(`${name}:`))).find(Boolean);
  const [, , uid, gid] = line?.split(':') ?? [];
  if (!uid || !gid) throw new Error('there is no user postgres or nobody to run a server');
  return { uid: Number(uid), gid: Number(gid) };
}
