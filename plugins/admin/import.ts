import { failedPrecondition } from '../../core/contracts/errors.ts';
import { isStoreError, type ReadTransaction, type Store, type TransactionOptions } from '../../core/contracts/store.ts';
import { badLine } from './errors.ts';
import { readExport } from './read.ts';
import { Spool } from './spool.ts';

/** Held by the one import that runs. */
const LEASE = 'admin.import';

/**
 * Loads an export into an empty store, in one transaction, and returns how many rows it has. The file is kept on disk first
 * and checked to its end: the transaction begins when nothing can be wrong with it any more, and may begin again.
 */
export async function importInto(
  store: Store,
  parts: AsyncIterable<Uint8Array>,
  options: { readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<number> {
  const { signal, timeoutMs } = options;
  const rows = await store.lease(LEASE, (held) => run(store, parts, { signal: held, timeoutMs }), {
    signal,
    wait: false,
  });
  if (rows === undefined) throw failedPrecondition('IMPORT_RUNNING', 'another import is under way');
  return rows;
}

async function run(store: Store, parts: AsyncIterable<Uint8Array>, options: TransactionOptions): Promise<number> {
  // Once more in the transaction: this only spares whom it concerns the upload.
  await store.read((tx) => refuseRows(store, tx), options);
  await using spool = await Spool.open();
  let rows = 0;
  for await (const _ of readExport(spool.filledBy(parts), store.tables)) rows++;
  await load(store, spool, rows, options);
  return rows;
}

async function load(store: Store, spool: Spool, rows: number, options: TransactionOptions): Promise<void> {
  let line = 0;
  try {
    await store.write(async (tx) => {
      await refuseRows(store, tx);
      for await (const one of readExport(spool.read(), store.tables)) {
        line = one.line;
        await tx.table(one.table).restore(one.row as never);
      }
      // Under READ COMMITTED others may have written meanwhile.
      let stored = 0;
      for (const table of store.tables) stored += await tx.table(table).count();
      if (stored !== rows) throw failedPrecondition('STORE_NOT_EMPTY', 'something else was stored during the import');
    }, options);
  } catch (error) {
    // Some stores send a row later than it is given.
    if (isStoreError(error, 'already_exists') || isStoreError(error, 'invalid'))
      throw badLine(line, `this line, or one above, cannot be stored: ${error.message}`);
    throw error;
  }
}

async function refuseRows(store: Store, tx: ReadTransaction): Promise<void> {
  const filled: string[] = [];
  for (const table of store.tables)
    if ((await tx.table(table).find({ limit: 1 })).rows.length > 0) filled.push(table.name);
  if (filled.length > 0)
    throw failedPrecondition(
      'STORE_NOT_EMPTY',
      `an import needs an empty store, and this one has rows in ${filled.join(', ')}; ` +
        'start on an empty database with SEED_USER_COUNT=0 SEED_PROJECT_COUNT=0',
    );
}
