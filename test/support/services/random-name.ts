import { randomBytes } from 'node:crypto';

/** For what no other run made on the same server, now or before, and left behind. */
export const randomName = (): string => randomBytes(8).toString('hex');
