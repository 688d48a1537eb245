import KeyvRedis from '@keyv/redis';
import { type KeyValues, type Redis, redisUnavailable } from '../../core/contracts/redis.ts';
import type { Logger } from '../../core/kernel/index.ts';
import { type Client, connect, connectAnew, newClient } from './connection.ts';
import { faultOf, isRefusal, isSilence } from './faults.ts';
import type { RedisSettings } from './settings.ts';

/** Keyv knows no condition. The arguments: what is expected, the value, its milliseconds. */
const REPLACE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`;

/** Two connections: one that has subscribed takes no other commands. */
export class RedisConnections implements Redis {
  readonly #settings: RedisSettings;
  readonly #log: Logger;
  readonly #commands: Client;
  readonly #subscriber: Client;
  readonly #listeners = new Set<(connected: boolean) => void>();
  readonly #tried = { commands: Promise.withResolvers<void>(), subscriber: Promise.withResolvers<void>() };
  readonly #closing = new AbortController();
  /** Whether it was said that Redis refuses something. */
  #refusalIsSaid = false;
  /** Why it was lost. */
  #reason = '';
  #wasConnected = false;
  #state: 'new' | 'connected' | 'lost' | 'closed' = 'new';

  constructor(settings: RedisSettings, log: Logger) {
    this.#settings = settings;
    this.#log = log;
    const { signal } = this.#closing;
    const watch = { connected: () => this.#connected(), lost: (error: unknown) => this.#lost(error) };
    this.#commands = newClient(settings, watch, signal);
    const { resolve } = this.#tried.subscriber;
    this.#subscriber = newClient(settings, { connected: resolve, lost: () => resolve() }, signal);
  }

  get connected(): boolean {
    return this.#commands.isReady;
  }

  get hearing(): boolean {
    return this.#subscriber.isReady;
  }

  /** Settles when both connections are there, or could not be made at once. */
  async open(): Promise<void> {
    for (const client of [this.#commands, this.#subscriber]) connect(client);
    await Promise.all([this.#tried.commands.promise, this.#tried.subscriber.promise]);
  }

  onConnection(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async server(): Promise<string> {
    const info = await this.#run(this.#commands, () => this.#commands.info('server'));
    return /^run_id:(\w+)/m.exec(info)?.[1] ?? '';
  }

  keyValues(namespace: string): KeyValues {
    const commands = this.#commands;
    const keyv = new KeyvRedis<string>(commands, { namespace, throwOnErrors: true });
    // What it tells so is thrown too.
    keyv.on('error', () => {});
    const run = <T>(operation: () => Promise<T>) => this.#run(commands, operation);
    return {
      get: (keys) => run(() => keyv.getMany<string>([...keys])).then((all) => all.map((value) => value ?? undefined)),
      set: (key, value, ttlMs) => run(() => keyv.set(key, value, ttlMs)),
      async replace(key, expected, value, ttlMs) {
        const keys = [keyv.createKeyPrefix(key, namespace)];
        const values = [expected, value, String(ttlMs)];
        return (await run(() => commands.eval(REPLACE, { keys, arguments: values }))) === 1;
      },
      async delete(keys) {
        await run(() => keyv.deleteMany([...keys]));
      },
    };
  }

  async publish(channel: string, message: string): Promise<void> {
    await this.#run(this.#commands, () => this.#commands.publish(channel, message));
  }

  async subscribe(channel: string, listener: (message: string) => void): Promise<() => Promise<void>> {
    let active = true;
    // A function of its own: the client knows a listener once.
    const heard = (message: string) => {
      if (active) listener(message);
    };
    const end = async () => {
      if (!active) return;
      active = false;
      // Where it cannot be told now there is nothing to hear either, and later nobody listens.
      await this.#run(this.#subscriber, () => this.#subscriber.unsubscribe(channel, heard)).catch(() => {});
    };
    try {
      await this.#run(this.#subscriber, () => this.#subscriber.subscribe(channel, heard));
      return end;
    } catch (error) {
      await end();
      throw error;
    }
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    for (const client of [this.#commands, this.#subscriber]) if (client.isOpen) client.destroy();
    this.#closing.abort();
  }

  /** Nothing of the driver's goes further, but as a cause. */
  async #run<T>(client: Client, operation: () => Promise<T>): Promise<T> {
    if (!client.isReady) throw redisUnavailable();
    const late = Promise.withResolvers<never>();
    let waits = true;
    // An answer that has come while this process itself was busy is read before it is too late.
    const atLimit = () => setImmediate(() => (waits ? late.reject(this.#noAnswer(client)) : undefined));
    const timer = setTimeout(atLimit, this.#settings.timeoutMs);
    try {
      return await Promise.race([operation(), late.promise]);
    } catch (error) {
      if (isRefusal(error)) this.#refused(error);
      throw redisUnavailable(error);
    } finally {
      waits = false;
      clearTimeout(timer);
    }
  }

  /** The driver looks for silence, and takes what is written for the opposite. */
  #noAnswer(client: Client): Error {
    const error = new Error('timeout');
    if (client === this.#commands && client.isReady) {
      this.#lost(error);
      connectAnew(client);
    }
    return error;
  }

  /** Each command may be refused for the same reason: one line tells it. */
  #refused(error: unknown): void {
    if (this.#refusalIsSaid) return;
    this.#refusalIsSaid = true;
    this.#log.warn({ address: this.#settings.address }, `Redis refuses a command: ${this.#faultOf(error)}`);
  }

  #faultOf(error: unknown): string {
    return faultOf(error, this.#settings.address, this.#wasConnected);
  }

  #connected(): void {
    this.#tried.commands.resolve();
    this.#wasConnected = true;
    if (this.#state === 'connected' || this.#state === 'closed') return;
    this.#state = 'connected';
    this.#log.info({ address: this.#settings.address, database: this.#settings.database }, 'Redis is connected');
    for (const listener of this.#listeners) listener(true);
  }

  #lost(error: unknown): void {
    this.#tried.commands.resolve();
    if (this.#state === 'closed') return;
    const was = this.#state;
    const reason = this.#faultOf(error);
    // One line tells it, and another one where the next try tells more than silence did.
    if (was === 'lost' && (!isSilence(this.#reason) || isSilence(reason))) return;
    this.#state = 'lost';
    this.#reason = reason;
    this.#log.warn({ address: this.#settings.address }, `Redis cannot be reached: ${reason}`);
    if (was === 'connected') for (const listener of this.#listeners) listener(false);
  }
}
