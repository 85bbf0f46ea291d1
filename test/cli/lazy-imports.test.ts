import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../../src/package-root.ts';

/** Every module and package that a module loads before any dynamic import runs. */
function loadedBy(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const source = readFileSync(file, 'utf8');
  for (const [, from] of source.matchAll(/^(?:import|export) (?!type )[^;]*?from '([^']+)';/gm)) {
    if (from!.startsWith('.')) loadedBy(join(dirname(file), from!), seen);
    else seen.add(from!);
  }
  return seen;
}

it('a command line is read without gRPC, X.509, YAML, an HTTP framework or a logger', () => {
  const loaded = [...loadedBy(join(PACKAGE_ROOT, 'src/main.ts'))];
  expect(loaded).toContain('commander');
  expect(loaded).toContain(join(PACKAGE_ROOT, 'src/cli/policy/policy-get.ts'));
  const heavy = /^(@grpc|@peculiar|@connectrpc|@fastify|fastify|yaml|pino|prom-client|reflect-metadata)/;
  expect(loaded.filter((name) => heavy.test(name))).toEqual([]);
});
