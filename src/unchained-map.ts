/**
 * A Map that holds on to nothing that was deleted. V8's own, when it outgrows its table, leaves the old one pointing at
 * the new one: once a full collection has moved a table out of the young generation, every table after it is kept, with
 * all that stood in it, until the next full collection. Where entries come and go with every request, that is most of a
 * gate's garbage. Keys iterate as those of an object do: numbers ascending, text in order of insertion.
 */
export class UnchainedMap<K extends string | number, V> extends Map<K, V> {
  /** From a property's name back to the key. */
  readonly #keyOf: (name: string) => K;
  #held: Record<K, V> = Object.create(null);
  #size = 0;

  constructor(keyOf: (name: string) => K) {
    super();
    this.#keyOf = keyOf;
  }

  override get size(): number {
    return this.#size;
  }

  override get(key: K): V | undefined {
    return this.#held[key];
  }

  override has(key: K): boolean {
    return key in this.#held;
  }

  override set(key: K, value: V): this {
    if (!this.has(key)) this.#size++;
    this.#held[key] = value;
    return this;
  }

  override delete(key: K): boolean {
    if (!this.has(key)) return false;
    this.#size--;
    return delete this.#held[key];
  }

  override clear(): void {
    this.#held = Object.create(null);
    this.#size = 0;
  }

  override forEach(tell: (value: V, key: K, map: Map<K, V>) => void, self?: unknown): void {
    for (const [key, value] of this.entries()) tell.call(self, value, key, this);
  }

  override *entries(): MapIterator<[K, V]> {
    for (const key of this.keys()) yield [key, this.#held[key]];
  }

  override *keys(): MapIterator<K> {
    for (const name of Object.keys(this.#held)) yield this.#keyOf(name);
  }

  override *values(): MapIterator<V> {
    for (const key of this.keys()) yield this.#held[key];
  }

  override [Symbol.iterator](): MapIterator<[K, V]> {
    return this.entries();
  }
}
