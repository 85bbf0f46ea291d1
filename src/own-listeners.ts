import { type Address, type Endpoint, ownListenerTest } from './address.ts';

/**
 * What Sandgate listens on and never dials. It grows while a gate starts: the policy API needs rules that know the
 * listeners, and is one itself once it has its port.
 */
export class OwnListeners {
  #all: readonly Address[];
  #test: ReturnType<typeof ownListenerTest>;

  constructor(known: readonly Address[]) {
    this.#all = known;
    this.#test = ownListenerTest(known);
  }

  /** A unix socket is none: no route leads there. */
  add(endpoint: Endpoint | undefined): void {
    if (endpoint === undefined || 'path' in endpoint) return;
    this.#all = [...this.#all, endpoint];
    this.#test = ownListenerTest(this.#all);
  }

  get all(): readonly Address[] {
    return this.#all;
  }

  readonly include = (address: string, port: number): boolean => this.#test(address, port);
}
