import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';

/** A thread that answers each message with a checkpoint, which waits for nobody; see checkpoints.ts. */
const database = new DatabaseSync(workerData, { timeout: 0 });
database.exec('pragma synchronous = normal');
const checkpoint = database.prepare('pragma wal_checkpoint(passive)');

parentPort?.on('message', () => {
  try {
    checkpoint.get();
  } catch {
    // The log holds what the file does not, and it is tried again.
  }
  parentPort?.postMessage('done');
});
