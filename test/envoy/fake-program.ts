import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A program that runs a shell script, in its own folder under `folder`. */
export function fakeProgram(folder: string, name: string, script: string): { path: string; folder: string } {
  const place = mkdtempSync(join(folder, 'bin-'));
  const path = join(place, name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return { path, folder: place };
}
