import type { ChangeListener, StorePosition } from './store.ts';

/** The listeners of a store, and the position up to which they have been notified. */
export class ChangeFeed {
  readonly #listeners = new Set<ChangeListener>();
  #position: StorePosition;

  constructor(position: StorePosition) {
    this.#position = position;
  }

  get position(): StorePosition {
    return this.#position;
  }

  subscribe(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  changed(sandboxIds: readonly string[], position: StorePosition): void {
    this.#position = position;
    for (const listener of this.#listeners) listener({ kind: 'changed', sandboxIds, position });
  }

  reset(position: StorePosition): void {
    this.#position = position;
    for (const listener of this.#listeners) listener({ kind: 'reset', position });
  }
}
