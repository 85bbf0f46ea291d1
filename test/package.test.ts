import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../src/package-root.ts';
import { runProgram } from './stack/command.ts';
import { SEVERAL_PROCESSES_MS } from './stack/patience.ts';

let folder: string;
let installed: string;

/** The tarball as npm would unpack it, with the packages that it names beside it and no other. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-package-'));
  const pack = await runProgram(['npm', 'pack', '--ignore-scripts', '--json', '--pack-destination', folder]);
  expect(pack).toMatchObject({ code: 0 });
  installed = join(folder, 'node_modules', 'sandgate');
  mkdirSync(installed, { recursive: true });
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))!;
  const unpack = ['tar', '-xzf', join(folder, tarball), '-C', installed, '--strip-components', '1'];
  expect(await runProgram(unpack)).toMatchObject({ code: 0 });
  const { dependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  for (const name of Object.keys(dependencies)) {
    const place = join(folder, 'node_modules', name);
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(join(PACKAGE_ROOT, 'node_modules', name), place);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('holds what it runs, and neither sources nor tests', () => {
  expect(readdirSync(installed).sort()).toEqual(
    [
      'LICENSE',
      'README.md',
      'bin',
      'client',
      'deploy',
      'dist',
      'docs',
      'envoy',
      'local-cloud',
      'package.json',
      'proto',
    ].sort(),
  );
});

describe('in an empty folder, an installed one', { timeout: SEVERAL_PROCESSES_MS }, () => {
  let empty: string;
  const bin = () => join(installed, 'bin', 'sandgate.js');
  beforeEach(() => {
    empty = mkdtempSync(join(folder, 'empty-'));
  });

  it('shows its help, and leaves nothing behind', async () => {
    const ran = await runProgram([process.execPath, bin(), '--help'], { cwd: empty });
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toContain('sandgate [options] [command]');
    expect(readdirSync(empty)).toEqual([]);
  });

  it('prints the bundled Envoy config', async () => {
    const ran = await runProgram([process.execPath, bin(), 'envoy', 'config'], { cwd: empty });
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toContain('envoy.filters.http.ext_authz');
  });

  it('serves until it is told to go, its state beside the caller', async () => {
    const flags = ['--sandbox-cidrs', '10.0.0.0/8', '--ops', '127.0.0.1:0', '--drain', '0'];
    const ran = await runProgram([process.execPath, bin(), 'serve', ...flags], {
      cwd: empty,
      onStart: (child) => child.stdout?.on('data', () => child.kill('SIGTERM')),
    });
    expect(ran).toMatchObject({ code: 0, signal: null });
    expect(ran.stdout).toMatch(/^sandgate ready: Check on unix:\S+gate\.sock, ops on http:\S+\n$/);
    expect(readdirSync(join(empty, '.sandgate'))).toContain('policies.db');
  });
});
