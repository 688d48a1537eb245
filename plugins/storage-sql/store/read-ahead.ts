import type { Value } from '../../../core/contracts/query.ts';
import type { RowKey } from './write-buffer.ts';

export interface FoundKey {
  readonly name: RowKey;
  readonly values: readonly Value[];
}

const MOST = 128;

/**
 * Which rows of a table to lock together. A function that goes through what it found and changes row after row would wait
 * for a lock each time; so the second row in a row of a page brings the next with it, then two, four ..., and at most
 * about as many are locked in vain as are changed.
 */
export class ReadAhead {
  #page: readonly FoundKey[] = [];
  #places: ReadonlyMap<RowKey, number> = new Map();
  /** The first place that was not asked for yet, where all before it were. */
  #next = -1;
  #size = 1;

  /** A page was found; it takes the place of the one before. */
  found(page: readonly FoundKey[]): void {
    const wasUsedUp = this.#page.length > 0 && this.#next >= this.#page.length;
    this.#page = page;
    this.#places = new Map(page.map(({ name }, place) => [name, place]));
    this.#next = wasUsedUp ? 0 : -1;
  }

  /** The keys to lock now that this one is wanted, itself first. */
  with(key: FoundKey): readonly FoundKey[] {
    const place = this.#places.get(key.name);
    if (place === undefined) return [key];
    this.#size = place === this.#next ? Math.min(2 * this.#size, MOST) : 1;
    this.#next = place + this.#size;
    return this.#page.slice(place, this.#next);
  }
}
