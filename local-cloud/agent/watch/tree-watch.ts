import { join } from 'node:path';
import type { Change } from './change.ts';
import { FolderWatch } from './folder-watch.ts';

/** inotify's watches are limited, and shared by the whole machine. */
const MOST_FOLDERS = 8192;

/** Watches a folder and, if `recursive`, all folders under it, including later ones. Names are relative to it; `.` is itself. */
export class TreeWatch {
  readonly #root: string;
  readonly #recursive: boolean;
  readonly #report: (change: Change) => void;
  readonly #folders = new Map<string, FolderWatch>();

  /** Throws the system's error if the folder cannot be watched, or a RangeError for too many folders. */
  constructor(root: string, recursive: boolean, report: (change: Change) => void) {
    this.#root = root;
    this.#recursive = recursive;
    this.#report = report;
    try {
      this.#add('');
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    for (const folder of this.#folders.values()) folder.close();
    this.#folders.clear();
  }

  /** `under` is relative. `fresh`: the folder is new, so its content appeared unseen before the watch started. */
  #add(under: string, fresh = false): void {
    if (this.#folders.has(under)) return;
    if (this.#folders.size >= MOST_FOLDERS)
      throw new RangeError(`more than ${MOST_FOLDERS} folders to watch`);
    const folder = new FolderWatch(join(this.#root, under), {
      change: (change, seen) => {
        const name = join(under, change.name);
        if (seen?.folder && (change.kind === 'remove' || change.kind === 'rename')) this.#drop(name);
        this.#report({ ...change, name });
        if (seen?.folder && change.kind === 'create' && this.#recursive) this.#tryAdd(name);
      },
      gone: () => {
        this.#drop(under);
        if (under === '') this.#report({ name: '.', kind: 'remove' });
      },
    });
    this.#folders.set(under, folder);
    for (const [name] of fresh ? folder.names() : [])
      this.#report({ name: join(under, name), kind: 'create' });
    if (!this.#recursive) return;
    for (const name of folder.folders()) this.#addOrTry(join(under, name), fresh);
  }

  #addOrTry(under: string, fresh: boolean): void {
    if (fresh) this.#tryAdd(under);
    else this.#add(under);
  }

  /** A folder that was removed again is not an error of the watch. */
  #tryAdd(under: string): void {
    try {
      this.#add(under, true);
    } catch {
      this.#drop(under);
    }
  }

  #drop(under: string): void {
    for (const [name, folder] of this.#folders) {
      if (name !== under && !name.startsWith(`${under}/`)) continue;
      folder.close();
      this.#folders.delete(name);
    }
  }
}
