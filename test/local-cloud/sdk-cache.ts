import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PACKAGE_ROOT } from '../../src/package-root.ts';
import { cleanEnv } from '../stack/command.ts';

const CACHE = join(PACKAGE_ROOT, '.cache', 'sdk');

/**
 * The folder of E2B's npm package at this exact version, fetched once with npm. It is no dependency of ours: what is
 * tested is what users install.
 */
export async function npmSdk(version: string): Promise<string> {
  const home = join(CACHE, `e2b-${version}`);
  const folder = join(home, 'node_modules', 'e2b');
  if (existsSync(join(folder, 'package.json'))) return folder;
  mkdirSync(CACHE, { recursive: true });
  // Made beside it and moved: two test files may want it at once, and one may be killed half-way.
  const fresh = mkdtempSync(join(CACHE, 'fetching-'));
  try {
    await npm([
      'install',
      '--prefix',
      fresh,
      `e2b@${version}`,
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
    ]);
    renameSync(fresh, home);
  } catch (error) {
    if (!existsSync(join(folder, 'package.json'))) throw error;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return folder;
}

/** Its module, as `import … from 'e2b'` would give it. */
export async function importNpmSdk(version: string) {
  const folder = await npmSdk(version);
  const { exports, module, main } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const entry: string = exports?.['.']?.import?.default ?? exports?.import ?? module ?? main;
  return await import(pathToFileURL(join(folder, entry)).href);
}

function npm(args: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('npm', args, { env: cleanEnv(), stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const keep = (text: Buffer) => {
      said += text;
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`npm ${args.join(' ')}: ${said}`)),
    );
  });
}
