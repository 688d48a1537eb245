/** What needs timers and listeners once it takes longer than a turn of the event loop. */
export interface Watched {
  /** Called once, unless it has ended before; it knows that itself. */
  watch(): void;
}

/** So many at most are held for a turn that does not end; what has ended among them is let go. */
const MOST = 1024;

let begun: Watched[] = [];

/**
 * Has it watched from the next turn of the event loop on. Most calls and transactions end in the turn in which they
 * began, and so need neither a timer nor a listener.
 */
export function watchLater(one: Watched): void {
  const count = begun.push(one);
  if (count === 1) setImmediate(watchAll);
  else if (count === MOST) watchAll();
}

function watchAll(): void {
  const all = begun;
  begun = [];
  for (const one of all) one.watch();
}
