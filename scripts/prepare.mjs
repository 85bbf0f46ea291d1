import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
const stampFile = join(root, 'node_modules', '.sandgate-stamp');
/** Projects to compile, in this order: `src/` to `dist/`, `local-cloud/` to `dist/local-cloud/`. */
const PROJECTS = ['tsconfig.build.json', 'tsconfig.local-cloud.json'];
const builtFile = join(root, 'dist', '.built');

/** Prepares a fresh clone to run: installs the locked packages and compiles `src/` and `local-cloud/` to `dist/`. Skips steps that are already done. */
export async function prepare() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    fail(`Node ${process.versions.node} is too old: Sandgate needs 20.19 or newer`);
  }
  // If the cloud runs as root, its sandboxes have their own users, who must be able to read these files.
  const umask = process.umask(0o022);
  await installPackages();
  await build();
  process.umask(umask);
  openToOthers(join(root, 'package.json'));
}

/** @param {string} file */
function openToOthers(file) {
  const { mode } = statSync(file);
  if ((mode & 0o004) === 0) chmodSync(file, mode | 0o044);
}

/** Identifies the lock file and Node version of an installation; stored in `node_modules/.sandgate-stamp`. */
export function packagesStamp() {
  return hash(
    readFileSync(join(root, 'package-lock.json')),
    process.versions.modules,
    process.platform,
    process.arch,
  );
}

async function installPackages() {
  const stamp = packagesStamp();
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return;
  say('installing packages (npm ci) …');
  useOwnNpmCache();
  // Including development packages, since the compiler is one of them.
  await run('npm', ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund']);
  writeFileSync(stampFile, stamp);
}

/** If npm cannot write its cache (HOME is missing or read-only), uses one in `.cache/`. */
export function useOwnNpmCache() {
  try {
    const cache = process.env.npm_config_cache || join(homedir(), '.npm');
    mkdirSync(cache, { recursive: true });
    accessSync(cache, constants.W_OK);
  } catch {
    process.env.npm_config_cache = join(root, '.cache', 'npm');
  }
}

async function build() {
  const stamp = hash(
    ...sources(join(root, 'src')),
    ...sources(join(root, 'local-cloud')),
    ...PROJECTS.map((project) => readFileSync(join(root, project))),
  );
  if (existsSync(builtFile) && readFileSync(builtFile, 'utf8') === stamp) return;
  say('compiling …');
  // Output of files that no longer exist must go, too.
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  for (const project of PROJECTS) await run(process.execPath, [compiler, '-p', project]);
  writeFileSync(builtFile, stamp);
}

/**
 * Runs a program in the checkout and passes its output on; exits this process if the program fails or is interrupted.
 * @param {string} command
 * @param {string[]} args
 */
export async function run(command, args) {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 1, 2] });
  /** @param {NodeJS.Signals} signal */
  const forward = (signal) => child.kill(signal);
  process.on('SIGINT', forward).on('SIGTERM', forward);
  const { code, signal } = await new Promise((resolve) => {
    child.once('error', (error) => fail(`cannot run ${command}: ${error.message}`));
    child.once('exit', (exitCode, exitSignal) => resolve({ code: exitCode, signal: exitSignal }));
  });
  process.off('SIGINT', forward).off('SIGTERM', forward);
  if (signal || (code ?? 0) > 128) process.exit(code ?? 130);
  if (code !== 0) fail(`\`${[command, ...args].join(' ')}\` failed with exit code ${code}`);
}

/**
 * @param {string} folder
 * @returns {Generator<string>}
 */
function* sources(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else yield `${path} ${hash(readFileSync(path))}`;
  }
}

/** @param {(string | Buffer)[]} parts */
function hash(...parts) {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(part).update('\0');
  return sum.digest('hex');
}

/** @param {string} line */
export function say(line) {
  process.stderr.write(`sandgate: ${line}\n`);
}

/**
 * @param {string} line
 * @returns {never}
 */
function fail(line) {
  say(line);
  process.exit(1);
}
