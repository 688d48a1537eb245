import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What is still held after so many looks is held for ever. */
const LOOKS = 40;
const TURNS = 20;
const SETTLED_BYTES = 10_000;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes that are reachable in this process, buffers included, when they no longer get fewer from look to look. */
export async function reachable(): Promise<number> {
  for (let before = Number.POSITIVE_INFINITY; ; ) {
    const now = look();
    if (now > before - SETTLED_BYTES) return now;
    before = now;
    for (let turns = 0; turns < TURNS; turns++) await setImmediate();
  }
}

/** The same as soon as it is at most so many, or at last. */
export async function reachableOnceAtMost(bytes: number): Promise<number> {
  let now = look();
  for (let looks = 0; looks < LOOKS && now > bytes; looks++) {
    for (let turns = 0; turns < TURNS; turns++) await setImmediate();
    now = look();
  }
  return now;
}

function look(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
