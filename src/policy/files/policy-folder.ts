import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { PolicyRules } from '../network.ts';
import { type PolicyFileContent, readPolicyFile } from './policy-file.ts';

/** The result of a scan for one sandbox id; `file` is the name inside the folder. */
export type FolderEntry = PolicyFileContent & { file: string };

interface ScannedFile {
  stamp: string;
  content: PolicyFileContent;
}

const POLICY_NAME = /^([^.].*)\.(?:yaml|yml|json)$/;

/** A folder of `<sandboxId>.yaml`, `.yml` or `.json`; a file is read again only if it changed. */
export class PolicyFolder {
  readonly path: string;
  readonly #rules: PolicyRules;
  #files = new Map<string, ScannedFile>();

  constructor(path: string, rules: PolicyRules) {
    this.path = path;
    this.#rules = rules;
  }

  /** By sandbox id. Throws the system's error if the folder cannot be read. `now`: milliseconds since 1970. */
  async scan(now: number): Promise<Map<string, FolderEntry>> {
    const files = new Map<string, ScannedFile>();
    const entries = new Map<string, FolderEntry>();
    for (const file of (await readdir(this.path)).sort()) {
      const id = POLICY_NAME.exec(file)?.[1];
      if (id === undefined) continue;
      const current = await this.#readIfChanged(file, id, now);
      files.set(file, current);
      const other = entries.get(id);
      entries.set(
        id,
        other ? { file, fault: `the same sandbox is in ${other.file}` } : { file, ...current.content },
      );
    }
    this.#files = files;
    return entries;
  }

  async #readIfChanged(file: string, id: string, now: number): Promise<ScannedFile> {
    const path = join(this.path, file);
    const stamp = await fileStamp(path);
    if (stamp === undefined) return { stamp: '', content: { fault: 'is not a readable file' } };
    const last = this.#files.get(file);
    if (last?.stamp === stamp) return last;
    const content = await readPolicyFile(path, id, this.#rules, now);
    // The file changed during the read, which may have seen half of it; the next scan reads it again.
    if ((await fileStamp(path)) !== stamp)
      return { stamp: '', content: last?.content ?? { fault: 'is being written' } };
    return { stamp, content };
  }
}

/** Changes with every write, rename and symlink swap (Kubernetes ConfigMaps); undefined if it is not a regular file. */
async function fileStamp(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found?.isFile()
    ? `${found.dev}:${found.ino}:${found.size}:${found.mtimeNs}:${found.ctimeNs}`
    : undefined;
}
