import { type FSWatcher, readdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import { type Change, kindOfUpdate, type Seen, see } from './change.ts';

export interface FolderEvents {
  change(change: Change, seen: Seen | undefined): void;
  /** The folder itself was removed, or can no longer be watched. */
  gone(): void;
}

/** Watches one folder without its subfolders. `node:fs` reports only "rename" or "change"; the last known state tells more. */
export class FolderWatch {
  readonly #path: string;
  readonly #events: FolderEvents;
  readonly #watcher: FSWatcher;
  readonly #seen = new Map<string, Seen>();
  /** Names that disappeared in this tick of the event loop: after a move, another name with the same inode follows. */
  readonly #vanished = new Map<string, Seen>();

  /** Throws the system's error; ENOSPC if inotify has no watch left. */
  constructor(path: string, events: FolderEvents) {
    this.#path = path;
    this.#events = events;
    this.#watcher = watch(path, { persistent: false }, (event, name) => {
      if (name !== null) this.#happened(event, name);
    });
    this.#watcher.on('error', () => this.#lost());
    for (const name of readdirSync(path)) this.#look(name);
  }

  /** Names of the subfolders. */
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

  /** `appeared`: an inode with a new name, so its old name was renamed. Without it, the names were removed. */
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
