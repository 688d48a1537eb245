#!/usr/bin/env node
/**
 * The `tracker` command. Plain JavaScript that an old Node can read: where Node is older than 24, it runs itself again
 * with the Node that is installed beside the package.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import v8 from 'node:v8';

const NEEDED = 24;
const MAJOR = Number(process.versions.node.split('.')[0]);
/** Tells the second run that a launcher waits for it. */
const LAUNCHED = 'TRACKER_LAUNCHED';
const FORWARDED = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'];

const self = fileURLToPath(import.meta.url);

if (MAJOR >= NEEDED) await runHere();
else runWith(bundledNode());

async function runHere() {
  // V8 collects the whole heap for every 64 MiB of buffers, which is a few hundred lists, however many rows the store holds.
  // Counted with the heap, they have a limit that grows with it: with 110,000 issues a list takes a third of the time.
  // Another V8 may not know the flag, and would complain.
  if (MAJOR === NEEDED) v8.setFlagsFromString('--external-memory-accounted-in-global-limit');
  // Compiled code is kept between starts, which halves the time of a start.
  module.enableCompileCache();
  // Node does not strip types inside node_modules, so a published package carries dist.
  const source = new URL('./main.ts', import.meta.url);
  const published = self.includes('/node_modules/') || !existsSync(source);
  await import(published ? new URL('../../dist/core/cli/main.js', import.meta.url).href : source.href);
}

function bundledNode() {
  try {
    if (process.env[LAUNCHED]) return undefined;
    return module.createRequire(import.meta.url).resolve(`node-${process.platform}-${process.arch}/bin/node`);
  } catch {
    return undefined;
  }
}

/** @param {string | undefined} node */
function runWith(node) {
  if (node === undefined) {
    console.error(
      `tracker needs Node ${NEEDED} or newer, and this is ${process.versions.node}; install a newer Node, ` +
        `or the package node-${process.platform}-${process.arch} where there is one`,
    );
    process.exit(1);
  }
  const args = [...process.execArgv, self, ...process.argv.slice(2)];
  // In place of this process, where Node can: same process id, nothing to pass on.
  if (process.execve) process.execve(node, [node, ...args], { ...process.env });
  // The channel closes when this process dies, even by SIGKILL, so that no server stays behind.
  const child = spawn(node, args, {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, [LAUNCHED]: '1' },
  });
  for (const signal of FORWARDED) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(`tracker cannot run ${node}: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}
