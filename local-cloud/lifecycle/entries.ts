import type { Entry } from './entry.ts';
import type { EntryTable } from './entry-table.ts';

/** Every sandbox there is, in memory and, before anything else is done about a change, on disk. */
export class Entries {
  readonly #table: EntryTable;
  readonly #byId = new Map<string, Entry>();

  constructor(table: EntryTable) {
    this.#table = table;
  }

  get ids(): string[] {
    return [...this.#byId.keys()];
  }

  /** Those that clients may see: running and paused ones. */
  shown(): Entry[] {
    return [...this.#byId.values()].filter(isShown);
  }

  getShown(sandboxId: string): Entry | undefined {
    const entry = this.get(sandboxId);
    return entry && isShown(entry) ? entry : undefined;
  }

  get(sandboxId: string): Entry | undefined {
    return this.#byId.get(sandboxId);
  }

  add(entry: Entry): void {
    this.#table.put(entry);
    this.#byId.set(entry.sandboxId, entry);
  }

  update(entry: Entry, change: Partial<Entry>): void {
    this.add(Object.assign(entry, change));
  }

  remove(sandboxId: string): void {
    this.#table.remove(sandboxId);
    this.#byId.delete(sandboxId);
  }
}

function isShown({ state }: Entry): boolean {
  return state === 'running' || state === 'paused';
}
