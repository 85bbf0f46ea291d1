import { join } from 'node:path';
import { inject } from 'vitest';
import type { TestProject } from 'vitest/node';
import { findEnvoy } from '../src/envoy/binary.ts';
import { PACKAGE_ROOT } from '../src/package-root.ts';

declare module 'vitest' {
  interface ProvidedContext {
    envoy: string;
  }
}

/** The Envoy that `setup` found, for tests to start. */
export function envoyBinary(): string {
  return inject('envoy');
}

/** Runs once before all tests: finds or fetches the real Envoy; without one the whole run fails. */
export default async function setup(project: TestProject): Promise<void> {
  const { path } = await findEnvoy({
    named: process.env.SANDGATE_ENVOY || undefined,
    searchPath: process.env.PATH ?? '',
    cacheDir: join(PACKAGE_ROOT, '.cache'),
    platform: process.platform,
    arch: process.arch,
    onProgress: (line) => process.stderr.write(`${line}\n`),
  });
  project.provide('envoy', path);
}
