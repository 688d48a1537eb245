import type { Call, Caller } from '../contracts/api.ts';
import type { Store, WriteTransaction } from '../contracts/store.ts';

/** A service's transaction for its caller: it ends with the call, and what the caller has to add is stored with it. */
export function writeOnce<R>(store: Store, caller: Caller<R>, fn: (tx: WriteTransaction) => Promise<R>): Promise<R> {
  const { signal, done } = caller;
  if (!done) return store.write(fn, { signal });
  return store.write(
    async (tx) => {
      const result = await fn(tx);
      await done(tx, result);
      return result;
    },
    { signal },
  );
}

/**
 * Answers a call that changes something: `answer` makes the response of what `work` returns. The response is kept in the
 * transaction of the change, by the caller that `work` hands on, so that a repeat of the call with its key gets it again.
 */
export async function answerOnce<R, A>(
  call: Call,
  answer: (result: R) => A,
  work: (caller: Caller<R>) => Promise<R>,
): Promise<A> {
  const { actor, cancellation: signal } = call;
  return answer(await work({ actor, signal, done: (tx, result) => call.remember(tx, () => answer(result)) }));
}

/** Answers a call whose effect is one transaction, with the response that `change` returns. */
export function changeOnce<A>(store: Store, call: Call, change: (tx: WriteTransaction) => Promise<A>): Promise<A> {
  return answerOnce(
    call,
    (response: A) => response,
    (caller) => writeOnce(store, caller, change),
  );
}
