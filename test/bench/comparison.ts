import { compare, type Load, type Target } from './load.ts';
import type { Row } from './section.ts';

/** Calls at a time. */
export const IN_FLIGHT = [1, 16, 64];

/** A server that does nothing but answer. */
export interface Bare {
  readonly name: string;
  readonly target: Target;
  /** The least part of its rate that ours should reach. */
  readonly atLeast: number | undefined;
}

/** The rows of one method under one load: our rate, and its ratio to that of each bare server. */
export async function comparison(
  load: Load,
  inFlight: number,
  ours: Target,
  bares: readonly Bare[],
  {
    name,
    go,
    atLeast,
    quick,
  }: {
    readonly name: string;
    readonly go: number | undefined;
    readonly atLeast: number | undefined;
    readonly quick: boolean;
  },
): Promise<Row[]> {
  const label = `${name}, ${inFlight} in flight`;
  const rates: Row[] = [];
  const ratios: Row[] = [];
  for (const bare of bares) {
    const seconds = quick ? 1 : 2;
    const found = await compare((port) => load(port, inFlight, seconds), ours, bare.target, quick ? 1 : 5);
    const note = [...(go ? [`Go original ${go}/s`] : []), `${Math.round(found.ours.cost)} us of processor time each`];
    if (rates.length === 0)
      rates.push({
        name: label,
        value: found.ours.rate,
        unit: '/s',
        note: note.join('; '),
        ...(atLeast !== undefined && { target: { atLeast } }),
      });
    ratios.push({
      name: `  of ${bare.name}`,
      value: found.ratio,
      unit: 'x',
      note: `${Math.round(found.other.rate)}/s; ${Math.round(found.other.cost)} us each, ${found.costRatio.toFixed(2)} of ours`,
      ...(bare.atLeast !== undefined && { target: { atLeast: bare.atLeast } }),
    });
  }
  return [...rates, ...ratios];
}
