import type { Clock } from './clock.ts';
import type { FilesEvent } from './files/files-store.ts';
import type { PolicyRules } from './network.ts';
import { openSqliteStore } from './sqlite/sqlite-store.ts';
import type { PolicyStore } from './store.ts';

/** Which store, and where it is; `create: false` refuses an absent or empty database. */
export type StoreLocation =
  | { kind: 'embedded'; path: string; create: boolean }
  | { kind: 'files'; folder: string };

export interface StoreContext {
  rules: PolicyRules;
  clock: Clock;
  /** `randomBytes` of `node:crypto`. */
  random(bytes: number): Buffer;
  onEvent(event: FilesEvent): void;
}

/** One line per kind of store. Throws STATE_UNUSABLE, STORE_CORRUPT or STORE_UNAVAILABLE. */
export async function openStoreAt(location: StoreLocation, context: StoreContext): Promise<PolicyStore> {
  switch (location.kind) {
    case 'embedded':
      return openSqliteStore({ ...context, ...location, routing: context.rules.routing });
    case 'files':
      // Loaded only if needed: a YAML parser takes 4 MB.
      return (await import('./files/files-store.ts')).openFilesStore({ ...context, ...location });
    default:
      return location satisfies never;
  }
}
