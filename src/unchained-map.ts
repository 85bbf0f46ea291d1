/**
 * A Map that does not retain deleted entries. When V8's own Map outgrows its table, the old table keeps a pointer to
 * the new one. Once a table has moved to the old generation, all later tables and their contents are retained until
 * the next full collection. For maps that change with every request, this is most of a gate's garbage. Keys iterate in
 * the order of an object's: numbers ascending, strings in order of insertion.
 */
export class UnchainedMap<K extends string | number, V> extends Map<K, V> {
  /** Converts a property name back to the key. */
  readonly #keyOf: (name: string) => K;
  #entries: Record<K, V> = Object.create(null);
  #size = 0;

  constructor(keyOf: (name: string) => K) {
    super();
    this.#keyOf = keyOf;
  }

  override get size(): number {
    return this.#size;
  }

  override get(key: K): V | undefined {
    return this.#entries[key];
  }

  override has(key: K): boolean {
    return key in this.#entries;
  }

  override set(key: K, value: V): this {
    if (!this.has(key)) this.#size++;
    this.#entries[key] = value;
    return this;
  }

  override delete(key: K): boolean {
    if (!this.has(key)) return false;
    this.#size--;
    return delete this.#entries[key];
  }

  override clear(): void {
    this.#entries = Object.create(null);
    this.#size = 0;
  }

  override forEach(callback: (value: V, key: K, map: Map<K, V>) => void, self?: unknown): void {
    for (const [key, value] of this.entries()) callback.call(self, value, key, this);
  }

  override *entries(): MapIterator<[K, V]> {
    for (const key of this.keys()) yield [key, this.#entries[key]];
  }

  override *keys(): MapIterator<K> {
    for (const name of Object.keys(this.#entries)) yield this.#keyOf(name);
  }

  override *values(): MapIterator<V> {
    for (const key of this.keys()) yield this.#entries[key];
  }

  override [Symbol.iterator](): MapIterator<[K, V]> {
    return this.entries();
  }
}
