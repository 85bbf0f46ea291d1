import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { PolicyRules } from '../network.ts';
import { type PolicyFileContent, readPolicyFile } from './policy-file.ts';

/** A file that cannot be used; `file` is its name inside the folder. */
export interface FileFault {
  file: string;
  reason: string;
}

/** The result of a scan for one sandbox id. */
export type FolderEntry = Exclude<PolicyFileContent, { fault: string }> | { faults: readonly FileFault[] };

interface ScannedFile {
  stamp: string;
  content: PolicyFileContent;
}

const POLICY_NAME = /^([^.].*)\.(?:yaml|yml|json)$/s;

/** A folder of `<sandboxId>.yaml`, `.yml` or `.json`; a file is read again only if it changed. */
export class PolicyFolder {
  readonly path: string;
  readonly #rules: PolicyRules;
  readonly #clock: Clock;
  #files = new Map<string, ScannedFile>();

  constructor(path: string, rules: PolicyRules, clock: Clock) {
    this.path = path;
    this.#rules = rules;
    this.#clock = clock;
  }

  /** By sandbox id. Throws the system's error if the folder cannot be read. */
  async scan(): Promise<Map<string, FolderEntry>> {
    const files = new Map<string, ScannedFile>();
    const named = new Map<string, string[]>();
    for (const file of (await readdir(this.path)).sort()) {
      const id = POLICY_NAME.exec(file)?.[1];
      if (id === undefined) continue;
      files.set(file, await this.#readIfChanged(file, id));
      named.set(id, [...(named.get(id) ?? []), file]);
    }
    this.#files = files;
    return new Map(Array.from(named, ([id, own]) => [id, entryOf(own, files)]));
  }

  async #readIfChanged(file: string, id: string): Promise<ScannedFile> {
    const path = join(this.path, file);
    const stamp = await fileStamp(path);
    if (stamp === undefined) return { stamp: '', content: { fault: 'is not a readable file' } };
    const last = this.#files.get(file);
    if (last?.stamp === stamp) return last;
    const content = await readPolicyFile(path, id, this.#rules, this.#clock);
    // The file changed during the read, which may have seen half of it; the next scan reads it again.
    if ((await fileStamp(path)) !== stamp)
      return { stamp: '', content: last?.content ?? { fault: 'is being written' } };
    return { stamp, content };
  }
}

/** `own`: the files of one sandbox, of which there must be only one. */
function entryOf(own: readonly string[], files: ReadonlyMap<string, ScannedFile>): FolderEntry {
  if (own.length > 1) {
    const reason = `the same sandbox is in ${own.join(' and ')}`;
    return { faults: own.map((file) => ({ file, reason })) };
  }
  const file = own[0]!;
  const { content } = files.get(file)!;
  return 'fault' in content ? { faults: [{ file, reason: content.fault }] } : content;
}

/** Changes with every write, rename and symlink swap (Kubernetes ConfigMaps); undefined if it is not a regular file. */
async function fileStamp(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found?.isFile()
    ? `${found.dev}:${found.ino}:${found.size}:${found.mtimeNs}:${found.ctimeNs}`
    : undefined;
}
