/** Runs `work` for n = 0 .. count - 1, so many at a time; returns how many a second. */
export async function rate(count: number, atATime: number, work: (n: number) => Promise<unknown>): Promise<number> {
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++);
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: atATime }, worker));
  return (count / (performance.now() - start)) * 1000;
}

/** The median of three runs of a third each, as another program may disturb one of them. */
export async function steadyRate(
  count: number,
  atATime: number,
  work: (n: number) => Promise<unknown>,
): Promise<number> {
  const rates: number[] = [];
  for (let start = 0; start < count; start += Math.ceil(count / 3))
    rates.push(await rate(Math.min(Math.ceil(count / 3), count - start), atATime, (n) => work(start + n)));
  return rates.sort((a, b) => a - b)[1]!;
}

/** Milliseconds, sorted, of each of so many calls, one after the other. */
export async function times(count: number, work: (n: number) => Promise<unknown>): Promise<number[]> {
  const all: number[] = [];
  for (let n = 0; n < count; n++) {
    const start = performance.now();
    await work(n);
    all.push(performance.now() - start);
    // What else the process has to do goes between two calls.
    if (n % 64 === 0) await new Promise(setImmediate);
  }
  return all.sort((a, b) => a - b);
}

/** What so much of the sorted times does not exceed; 0.5 is the median. */
export const quantile = (sorted: readonly number[], part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!;

export const median = async (count: number, work: (n: number) => Promise<unknown>): Promise<number> =>
  quantile(await times(count, work), 0.5);
