import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { PolicyRules } from '../network.ts';
import { type PolicyFileContent, readPolicyFile } from './policy-file.ts';

/** What a scan found of one sandbox id; `file` is the name inside the folder. */
export type FolderEntry = PolicyFileContent & { file: string };

interface KnownFile {
  stamp: string;
  content: PolicyFileContent;
}

const POLICY_NAME = /^([^.].*)\.(?:yaml|yml|json)$/;

/** A folder of `<sandboxId>.yaml`, `.yml` or `.json`; a file is read again only when it changed. */
export class PolicyFolder {
  readonly path: string;
  readonly #rules: PolicyRules;
  #known = new Map<string, KnownFile>();

  constructor(path: string, rules: PolicyRules) {
    this.path = path;
    this.#rules = rules;
  }

  /** By sandbox id. Throws the system's error where the folder itself cannot be read. `now`: ms since 1970. */
  async scan(now: number): Promise<Map<string, FolderEntry>> {
    const known = new Map<string, KnownFile>();
    const entries = new Map<string, FolderEntry>();
    for (const file of (await readdir(this.path)).sort()) {
      const id = POLICY_NAME.exec(file)?.[1];
      if (id === undefined) continue;
      const current = await this.#look(file, id, now);
      known.set(file, current);
      const other = entries.get(id);
      entries.set(
        id,
        other ? { file, fault: `The same sandbox is in ${other.file}.` } : { file, ...current.content },
      );
    }
    this.#known = known;
    return entries;
  }

  async #look(file: string, id: string, now: number): Promise<KnownFile> {
    const path = join(this.path, file);
    const stamp = await fileStamp(path);
    if (stamp === undefined) return { stamp: '', content: { fault: 'It is not a file that can be read.' } };
    const known = this.#known.get(file);
    if (known?.stamp === stamp) return known;
    const content = await readPolicyFile(path, id, this.#rules, now);
    // Written to meanwhile: what was read may be half of it. The next scan reads it again.
    if ((await fileStamp(path)) !== stamp)
      return { stamp: '', content: known?.content ?? { fault: 'It is being written.' } };
    return { stamp, content };
  }
}

/** Moves with every write, rename and symlink swap (Kubernetes ConfigMaps); undefined where it is no regular file. */
async function fileStamp(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found?.isFile()
    ? `${found.dev}:${found.ino}:${found.size}:${found.mtimeNs}:${found.ctimeNs}`
    : undefined;
}
