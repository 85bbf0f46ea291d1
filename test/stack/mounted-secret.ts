import {
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/**
 * A folder in which Kubernetes has mounted a Secret: each file is a link through `..data`, a link to a folder that nothing
 * changes. New content is another such folder, and a rename puts the link to it in place.
 */
export interface MountedSecret {
  path(name: string): string;
  /** Swaps the whole content. `files`: the file whose content each name gets. */
  replace(files: Record<string, string>): void;
}

export function mountSecret(folder: string, files: Record<string, string>): MountedSecret {
  let version = 0;
  const data = join(folder, '..data');
  const publish = (content: Record<string, string>) => {
    version += 1;
    const own = join(folder, `..version-${version}`);
    mkdirSync(own, { recursive: true });
    for (const [name, from] of Object.entries(content)) writeFileSync(join(own, name), readFileSync(from));
    symlinkSync(`..version-${version}`, `${data}_tmp`);
    const old = version > 1 ? join(folder, readlinkSync(data)) : undefined;
    renameSync(`${data}_tmp`, data);
    if (old !== undefined) rmSync(old, { recursive: true });
  };
  publish(files);
  for (const name of Object.keys(files)) symlinkSync(`..data/${name}`, join(folder, name));
  return { path: (name) => join(folder, name), replace: publish };
}
