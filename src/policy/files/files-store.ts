import { SandgateError } from '../../errors.ts';
import { ChangeFeed } from '../change-feed.ts';
import type { Clock, Stamp } from '../clock.ts';
import { policyUnreadable } from '../compile.ts';
import type { PolicyRules } from '../network.ts';
import type { StoredRecord } from '../record.ts';
import type { ChangeListener, PolicyStore, StorePosition, UnusableRecords } from '../store.ts';
import { formatVersion } from '../version.ts';
import { FolderWatch } from './folder-watch.ts';
import { systemCode } from './policy-file.ts';
import { type FileFault, type FolderEntry, PolicyFolder } from './policy-folder.ts';

/** An event for the log; `file` is a name inside the folder. */
export type FilesEvent =
  | { name: 'policy_file_bad'; file: string; reason: string }
  | { name: 'policy_file_good'; file: string }
  /** `count` further files became bad or good in the same scan. */
  | { name: 'policy_files_more'; count: number }
  | { name: 'policy_folder_lost'; reason: string }
  | { name: 'policy_folder_back' };

export interface FilesStoreOptions {
  /** Contains one put per file, named `<sandboxId>.yaml`, `.yml` or `.json`. */
  folder: string;
  rules: PolicyRules;
  clock: Clock;
  /** `randomBytes` of `node:crypto`. */
  random(bytes: number): Buffer;
  /** Milliseconds between two scans; default 1000. Changes that the system reports are read sooner. */
  scanMs?: number;
  onEvent?(event: FilesEvent): void;
}

const SCAN_MS = 1000;
/** Files that `/readyz` names, and log lines about files after one scan. The rest is counted. */
const NAMED_MAX = 100;

/**
 * A read-only folder, for GitOps. A change is announced within one scan. If a file becomes invalid, the last good
 * policy stays; a file that was never valid is an unreadable policy, not an absent one; neither affects other files. If
 * the folder disappears, all policies stay, with a fault. Write files elsewhere and rename them into place.
 *
 * Throws STATE_UNUSABLE if the folder cannot be read at start.
 */
export async function openFilesStore(options: FilesStoreOptions): Promise<PolicyStore> {
  const store = new FilesStore(options);
  await store.start();
  return store;
}

class FilesStore implements PolicyStore {
  readonly kind = 'files';
  readonly #options: FilesStoreOptions;
  readonly #folder: PolicyFolder;
  readonly #feed: ChangeFeed;
  /** The last good record of each id; `json` is that record without versions. */
  readonly #good = new Map<string, { json: string; record: StoredRecord }>();
  /** The invalid files of the last scan, by id. */
  #bad = new Map<string, readonly FileFault[]>();
  #folderFault: string | undefined;
  #watch: FolderWatch | undefined;

  constructor(options: FilesStoreOptions) {
    this.#options = options;
    this.#folder = new PolicyFolder(options.folder, options.rules, options.clock);
    this.#feed = new ChangeFeed({ epoch: options.random(8).toString('hex'), sequence: 0 });
  }

  async start(): Promise<void> {
    const { folder, clock } = this.#options;
    const entries = await this.#folder.scan().catch((cause) => {
      throw new SandgateError(
        'STATE_UNUSABLE',
        `the policy folder ${folder} cannot be read (${systemCode(cause)})`,
        {
          field: folder,
          remedy: 'create the folder, readable by the user of this process',
          cause,
        },
      );
    });
    this.#apply(entries);
    const scan = () => this.#scan();
    this.#watch = new FolderWatch({ folder, scanMs: this.#options.scanMs ?? SCAN_MS, clock, scan });
  }

  async read(sandboxId: string): Promise<StoredRecord | undefined> {
    const good = this.#good.get(sandboxId);
    if (good !== undefined) return good.record;
    const [bad] = this.#bad.get(sandboxId) ?? [];
    if (bad !== undefined) throw policyUnreadable(sandboxId, { field: bad.file, cause: 'was never valid' });
    return undefined;
  }

  async list({ after = '', limit }: { after?: string; limit: number }): Promise<StoredRecord[]> {
    const ids = [...this.#good.keys()].filter((id) => id > after).sort();
    return ids.slice(0, limit).map((id) => this.#good.get(id)!.record);
  }

  async write(): Promise<never> {
    throw this.#readOnly();
  }

  async delete(): Promise<never> {
    throw this.#readOnly();
  }

  subscribe(listener: ChangeListener): () => void {
    return this.#feed.subscribe(listener);
  }

  /** Unknown: the watch may have missed a write. */
  deliveredUntil(): Stamp | undefined {
    return undefined;
  }

  position(): StorePosition {
    return this.#feed.position;
  }

  /** Of the folder only: one bad file must not take a gate out of service. */
  fault(): string | undefined {
    return this.#folderFault;
  }

  unusable(): UnusableRecords | undefined {
    if (this.#bad.size === 0) return undefined;
    const faults = [...this.#bad.values()].flat();
    const named = faults.slice(0, NAMED_MAX).map(({ file, reason }) => ({ name: file, reason }));
    return { kind: 'files', count: faults.length, named };
  }

  async close(): Promise<void> {
    await this.#watch?.close();
  }

  async #scan(): Promise<void> {
    const { folder, onEvent } = this.#options;
    try {
      const entries = await this.#folder.scan();
      if (this.#folderFault !== undefined) onEvent?.({ name: 'policy_folder_back' });
      this.#folderFault = undefined;
      this.#apply(entries);
    } catch (error) {
      const reason = `the policy folder ${folder} cannot be read (${systemCode(error)}); the last good policies stay`;
      if (this.#folderFault === undefined) onEvent?.({ name: 'policy_folder_lost', reason });
      this.#folderFault = reason;
    }
  }

  #apply(entries: Map<string, FolderEntry>): void {
    const { epoch, sequence } = this.#feed.position;
    const position = { epoch, sequence: sequence + 1 };
    const bad = new Map<string, readonly FileFault[]>();
    const changed = new Set<string>();
    for (const id of [...this.#good.keys(), ...this.#bad.keys()]) {
      if (entries.has(id)) continue;
      this.#good.delete(id);
      changed.add(id);
    }
    for (const [id, entry] of entries) {
      if ('faults' in entry) {
        bad.set(id, entry.faults);
        if (!this.#good.has(id) && !this.#bad.has(id)) changed.add(id);
        continue;
      }
      const { json, record } = entry;
      if (this.#good.get(id)?.json === json) continue;
      this.#good.set(id, { json, record: withVersion(record, formatVersion(position)) });
      changed.add(id);
    }
    this.#report(bad);
    if (changed.size > 0) this.#feed.changed([...changed], position);
  }

  #report(bad: Map<string, readonly FileFault[]>): void {
    const { onEvent } = this.#options;
    const [before, now] = [reasonsOf(this.#bad), reasonsOf(bad)];
    this.#bad = bad;
    const events: FilesEvent[] = [];
    for (const [file] of before) if (!now.has(file)) events.push({ name: 'policy_file_good', file });
    for (const [file, reason] of now)
      if (before.get(file) !== reason) events.push({ name: 'policy_file_bad', file, reason });
    for (const event of events.slice(0, NAMED_MAX)) onEvent?.(event);
    const more = events.length - NAMED_MAX;
    if (more > 0) onEvent?.({ name: 'policy_files_more', count: more });
  }

  #readOnly(): SandgateError {
    return new SandgateError(
      'STORE_READ_ONLY',
      'the policies of this store are files, which Sandgate only reads',
      {
        field: this.#options.folder,
        remedy: `change the file of that sandbox in ${this.#options.folder}`,
      },
    );
  }
}

function reasonsOf(bad: ReadonlyMap<string, readonly FileFault[]>): Map<string, string> {
  return new Map([...bad.values()].flat().map(({ file, reason }) => [file, reason]));
}

function withVersion(record: StoredRecord, version: string): StoredRecord {
  const { runtime, access } = record;
  return { ...record, runtime: { ...runtime, version }, access: { ...access, version } };
}
