import type { SandboxEntry } from './sandbox-entry.ts';
import type { SandboxTable } from './sandbox-table.ts';

/** Every sandbox that exists, in memory and on disk. A change is on disk before anything acts on it. */
export class SandboxRegistry {
  readonly #table: SandboxTable;
  readonly #byId = new Map<string, SandboxEntry>();

  constructor(table: SandboxTable) {
    this.#table = table;
  }

  get ids(): string[] {
    return [...this.#byId.keys()];
  }

  /** Sandboxes that clients may see: running and paused ones. */
  shown(): SandboxEntry[] {
    return [...this.#byId.values()].filter(isShown);
  }

  getShown(sandboxId: string): SandboxEntry | undefined {
    const entry = this.get(sandboxId);
    return entry && isShown(entry) ? entry : undefined;
  }

  get(sandboxId: string): SandboxEntry | undefined {
    return this.#byId.get(sandboxId);
  }

  add(entry: SandboxEntry): void {
    this.#table.put(entry);
    this.#byId.set(entry.sandboxId, entry);
  }

  update(entry: SandboxEntry, change: Partial<SandboxEntry>): void {
    this.add(Object.assign(entry, change));
  }

  remove(sandboxId: string): void {
    this.#table.remove(sandboxId);
    this.#byId.delete(sandboxId);
  }
}

function isShown({ state }: SandboxEntry): boolean {
  return state === 'running' || state === 'paused';
}
