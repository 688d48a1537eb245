import { asValue, createContainer, InjectionMode } from 'awilix';

/**
 * The services by token id. Order, duplicates and release are the kernel's own: awilix disposes without order or
 * deadline, and overwrites silently.
 */
export class Container {
  readonly #services = createContainer<Record<string, unknown>>({ strict: true, injectionMode: InjectionMode.PROXY });

  has(id: string): boolean {
    return this.#services.hasRegistration(id);
  }

  provide(id: string, service: unknown): void {
    if (this.has(id)) throw new TypeError(`'${id}' is provided already`);
    this.#services.register(id, asValue(service));
  }

  /** Throws when nothing is provided under the id. */
  get(id: string): unknown {
    return this.#services.resolve(id);
  }
}
