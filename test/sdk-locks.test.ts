import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { SDK_VERSIONS } from '../scripts/sdk.mjs';

const lockOf = (name: string) => readFileSync(new URL(`../examples/sdk/${name}`, import.meta.url), 'utf8');

it.each(SDK_VERSIONS.npm)('examples of e2b %s from npm run only what its lock names by hash', (version) => {
  const { '': own, ...packages } = JSON.parse(lockOf(`npm-${version}-lock.json`)).packages;
  expect(own.dependencies).toEqual({ e2b: version });
  expect(packages['node_modules/e2b'].version).toBe(version);
  for (const locked of Object.values(packages) as { integrity?: string; resolved?: string }[]) {
    expect(locked.integrity).toMatch(/^sha512-/);
    expect(locked).not.toHaveProperty('resolved');
  }
});

it.each(SDK_VERSIONS.pypi)('examples of e2b %s from PyPI run only what its lock names by hash', (version) => {
  const requirements = lockOf(`pypi-${version}-requirements.txt`)
    .trim()
    .split(/(?<!\\)\n/);
  expect(requirements.map((line) => line.split(' ')[0])).toContain(`e2b==${version}`);
  for (const requirement of requirements)
    expect(requirement).toMatch(/^[\w.-]+==[\w.]+ .*--hash=sha256:[0-9a-f]{64}/s);
});
