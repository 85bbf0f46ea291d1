import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFiles } from '#src/folder.js';
import type { ProcessIdentity } from '#src/state/process-identity.js';
import type { Isolation } from './isolation.ts';

/** What the next start needs to end a sandbox whose host was killed. Written before any of its processes may run. */
export interface SandboxRecord {
  isolation: Isolation;
  /** The leader of the process group; with isolation, the parent of `init`. */
  keeper: ProcessIdentity;
  /** PID 1 of the PID namespace, by its pid on the host; without isolation, the keeper itself. */
  init: ProcessIdentity;
  cgroups: readonly string[];
  /** Folder of the bridge's socket. */
  sockets: string;
  /** Host id of the sandbox's user 0; undefined if it has no users of its own. */
  uidBase: number | undefined;
}

const FILE = 'record.json';

export function writeRecord(folder: string, record: SandboxRecord): void {
  replaceFiles([{ path: join(folder, FILE), text: JSON.stringify(record), mode: 0o600 }]);
}

/** Undefined if there is none: the host died before it let any process run. */
export function readRecord(folder: string): SandboxRecord | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, FILE), 'utf8')) as SandboxRecord;
  } catch {
    return undefined;
  }
}

/** The sandboxes that have a folder, by id. */
export function folderNames(sandboxes: string): string[] {
  try {
    return readdirSync(sandboxes);
  } catch {
    return [];
  }
}
