import { token } from '../kernel/plugin.ts';
import { DomainError } from './errors.ts';

/**
 * One Redis for all plugins that use it. It may be away at any time: every operation throws `unavailable` at once where
 * there is no connection, and after the plugin's time limit where there is no answer. What timed out may have been done.
 */
export interface Redis {
  /** Whether commands are taken now. */
  readonly connected: boolean;
  /** Whether messages of the subscribed channels come in now. */
  readonly hearing: boolean;
  /** Calls the listener when `connected` has changed. A listener must not throw. Returns the end. */
  onConnection(listener: (connected: boolean) => void): () => void;
  /** Names the server's process: another after a restart or where another server has taken over. */
  server(): Promise<string>;
  /** Texts under keys that no other namespace has. */
  keyValues(namespace: string): KeyValues;
  /** Settles when Redis has taken the message. Messages of this process stay in order. */
  publish(channel: string, message: string): Promise<void>;
  /**
   * Settles when messages arrive from now on. They also arrive after a lost connection was made anew; those meanwhile
   * are lost. A listener must not throw. Returns the end.
   */
  subscribe(channel: string, listener: (message: string) => void): Promise<() => Promise<void>>;
}

/** Operations that are called one after the other take effect in that order. */
export interface KeyValues {
  /** What is there, in the order of the keys, at one moment. */
  get(keys: readonly string[]): Promise<readonly (string | undefined)[]>;
  set(key: string, value: string, ttlMs: number): Promise<void>;
  /** Sets only where this is what the key holds at that moment; says whether it did. */
  replace(key: string, expected: string, value: string, ttlMs: number): Promise<boolean>;
  delete(keys: readonly string[]): Promise<void>;
}

export const redis = token<Redis>('redis');

/** The cause is for the log alone. */
export function redisUnavailable(cause?: unknown): DomainError {
  return new DomainError('UNAVAILABLE', 'REDIS_UNAVAILABLE', 'Redis cannot be reached', { cause });
}
