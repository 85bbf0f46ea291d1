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
/** What is compiled, in this order: `src/` to `dist/`, `local-cloud/` to `dist/local-cloud/`. */
const PROJECTS = ['tsconfig.build.json', 'tsconfig.local-cloud.json'];
const builtFile = join(root, 'dist', '.built');

/** Brings a fresh clone to where it can run: packages as locked, `src/` and `local-cloud/` compiled to `dist/`. Does nothing that is already done. */
export async function prepare() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    fail(`Node ${process.versions.node} is too old: Sandgate needs 20.19 or newer`);
  }
  // Sandboxes of a cloud that runs as root have users of their own, who read what is installed and compiled here.
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

/** What `node_modules` was installed for; it stands in `.sandgate-stamp` there. */
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
  // Development packages too: the compiler is one of them.
  await run('npm', ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund']);
  writeFileSync(stampFile, stamp);
}

/** Where npm cannot write its cache, HOME missing or read-only, it has one in `.cache/`. */
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
  // What was compiled from a file that is gone must go too.
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  for (const project of PROJECTS) await run(process.execPath, [compiler, '-p', project]);
  writeFileSync(builtFile, stamp);
}

/**
 * Runs a program in the checkout with its output going to ours; ends this process when it fails or is interrupted.
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
