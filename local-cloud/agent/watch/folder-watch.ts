import { type FSWatcher, readdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import { type Change, kindOfUpdate, type Seen, see } from './change.ts';

export interface FolderEvents {
  change(change: Change, seen: Seen | undefined): void;
  /** The folder itself is gone, or cannot be watched any more. */
  gone(): void;
}

/** One folder, not what is in its folders. `node:fs` says only "renamed" or "changed"; what was seen before tells the rest. */
export class FolderWatch {
  readonly #path: string;
  readonly #events: FolderEvents;
  readonly #watcher: FSWatcher;
  readonly #seen = new Map<string, Seen>();
  /** Names that vanished in this turn: a move shows as one name gone and, right after it, another one there. */
  readonly #vanished = new Map<string, Seen>();

  /** Throws the system's error, ENOSPC where inotify has no watch left. */
  constructor(path: string, events: FolderEvents) {
    this.#path = path;
    this.#events = events;
    this.#watcher = watch(path, { persistent: false }, (event, name) => {
      if (name !== null) this.#happened(event, name);
    });
    this.#watcher.on('error', () => this.#lost());
    for (const name of readdirSync(path)) this.#look(name);
  }

  /** The names known to be there now. */
  folders(): string[] {
    return [...this.#seen].filter(([, seen]) => seen.folder).map(([name]) => name);
  }

  names(): [string, Seen][] {
    return [...this.#seen];
  }

  close(): void {
    this.#watcher.close();
  }

  #look(name: string): Seen | undefined {
    const now = see(join(this.#path, name));
    if (now) this.#seen.set(name, now);
    else this.#seen.delete(name);
    return now;
  }

  #happened(event: string, name: string): void {
    const before = this.#seen.get(name);
    const now = this.#look(name);
    if (event === 'change') {
      if (before && now) this.#events.change({ name, kind: kindOfUpdate(before, now) }, now);
      return;
    }
    if (!now) {
      if (before) this.#vanish(name, before);
      else if (see(this.#path) === undefined) this.#lost();
      return;
    }
    if (before?.inode === now.inode) return;
    this.#settle(now.inode);
    this.#events.change({ name, kind: 'create' }, now);
  }

  #vanish(name: string, before: Seen): void {
    if (this.#vanished.size === 0) setImmediate(() => this.#settle(undefined));
    this.#vanished.set(name, before);
  }

  /** `appeared`: an inode that has another name now, so its old name was renamed; the rest was removed. */
  #settle(appeared: bigint | undefined): void {
    for (const [name, seen] of this.#vanished) {
      if (appeared !== undefined && seen.inode !== appeared) continue;
      this.#vanished.delete(name);
      this.#events.change({ name, kind: appeared === undefined ? 'remove' : 'rename' }, seen);
    }
  }

  #lost(): void {
    this.close();
    this.#events.gone();
  }
}
