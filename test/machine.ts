import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, inject, it } from 'vitest';
import type { TestProject } from 'vitest/node';
import { findIsolation } from '../local-cloud/sandbox/isolation.ts';
import { PACKAGE_ROOT } from '../src/package-root.ts';

/** What some tests need, and not every machine has. A value is why it is missing; empty where it is there. */
export interface Machine {
  /** Sandboxes that the user who runs the tests can isolate. */
  isolation: string;
  /** The same for a user without rights, which only root can try. */
  isolationWithoutRoot: string;
  /** `::1` */
  ipv6: string;
}

/** What a user who cannot enter the checkout, or see this Node, can run: those of the sandboxes are such users. */
export interface OpenCopy {
  /** Holds `dist/`, `package.json`, `local-cloud/sandbox/` and `test/local-cloud/stand-in/`. */
  folder: string;
  node: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    machine: Machine;
    openCopy: OpenCopy;
  }
}

/** A user that nothing here belongs to. */
export const PLAIN_USER = 65534;

export const openCopy = (): OpenCopy => inject('openCopy');

/** `describe` on a machine that has what these tests need; elsewhere they are skipped, and their names say why. */
export function describeWith(need: keyof Machine, name: string, tests: () => void): void {
  const why = inject('machine')[need];
  describe.skipIf(why !== '')(why === '' ? name : `${name} [not here: ${why}]`, tests);
}

/** The same for one test. */
export function itWith(
  need: keyof Machine,
  name: string,
  test: () => Promise<void> | void,
  timeout?: number,
): void {
  const why = inject('machine')[need];
  it.skipIf(why !== '')(why === '' ? name : `${name} [not here: ${why}]`, test, timeout);
}

/** Runs once before all tests. */
export default async function setup(project: TestProject): Promise<() => void> {
  const copy = makeOpenCopy();
  project.provide('openCopy', copy);
  project.provide('machine', {
    isolation: await findIsolation(process.getuid?.() ?? -1).then(
      () => '',
      (error) => oneLine(error.message),
    ),
    isolationWithoutRoot: isolationWithoutRoot(copy),
    ipv6: await ipv6Loopback(),
  });
  return () => rmSync(copy.folder, { recursive: true });
}

function makeOpenCopy(): OpenCopy {
  const folder = mkdtempSync(join(tmpdir(), 'sandgate-open-'));
  for (const name of ['dist', 'package.json', 'local-cloud/sandbox', 'test/local-cloud/stand-in']) {
    cpSync(join(PACKAGE_ROOT, name), join(folder, name), { recursive: true });
  }
  let node = process.execPath;
  if (!isOpen(node)) {
    node = join(folder, 'bin', 'node');
    mkdirSync(dirname(node));
    cpSync(process.execPath, node);
  }
  openAll(folder);
  return { folder, node };
}

/** Whether other users can run it where it lies. */
function isOpen(file: string): boolean {
  for (let path = file; path !== dirname(path); path = dirname(path)) {
    if ((statSync(path).mode & 0o001) === 0) return false;
  }
  return true;
}

function openAll(path: string): void {
  const { mode } = statSync(path);
  chmodSync(path, (mode & 0o100) === 0 ? 0o644 : 0o755);
  if (statSync(path).isDirectory()) for (const name of readdirSync(path)) openAll(join(path, name));
}

function isolationWithoutRoot({ folder, node }: OpenCopy): string {
  if (process.getuid?.() !== 0) return 'only root can run tests as another user';
  const module = JSON.stringify(join(folder, 'dist/local-cloud/sandbox/isolation.js'));
  const trial = `const { findIsolation } = await import(${module}); await findIsolation(${PLAIN_USER})`;
  const { error, status, stderr } = spawnSync(node, ['--input-type=module', '--eval', trial], {
    ...{ uid: PLAIN_USER, gid: PLAIN_USER, cwd: '/', encoding: 'utf8', timeout: 20_000 },
    env: { PATH: process.env.PATH },
  });
  if (error !== undefined) return oneLine(error.message);
  return status === 0 ? '' : (/^\w*Error: (.*)$/m.exec(stderr)?.[1] ?? `exit code ${status}`);
}

async function ipv6Loopback(): Promise<string> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve(`no IPv6: ${error.message}`));
    server.listen({ host: '::1', port: 0 }, () => server.close(() => resolve('')));
  });
}

const oneLine = (text: string) => text.replaceAll('\n', ' ');
