import { accessSync, constants, statSync } from 'node:fs';
import { type Finding, fail, ok } from './finding.ts';

/** A path that a setting names, and what must be there. */
export interface NamedPath {
  setting: string;
  path: string;
  kind: 'program' | 'folder' | 'file';
}

/** Whether everything that the settings name is there and can be read, or run. */
export function checkPaths(paths: readonly NamedPath[]): Finding[] {
  return paths.map(({ setting, path, kind }) => {
    try {
      const isFolder = statSync(path).isDirectory();
      if (isFolder !== (kind === 'folder')) return fail(setting, `${path} is no ${kind}`, `name a ${kind}`);
      accessSync(path, kind === 'program' ? constants.X_OK : constants.R_OK);
      return ok(setting, path);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
      const remedy =
        kind === 'program' ? 'name a program that can be run' : `make it readable, or name another ${kind}`;
      return fail(setting, `${path} cannot be used (${code})`, remedy);
    }
  });
}
