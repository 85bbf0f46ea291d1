import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../../../src/package-root.ts';
import { type LocalStack, runClient, startLocalStack } from '../local-stack.ts';
import { versions } from './versions.ts';

let stack: LocalStack;
beforeAll(async () => {
  stack = await startLocalStack();
}, 120_000);
afterAll(() => stack.stop());

const RUNNER = `${PACKAGE_ROOT}scripts/example.mjs`;
const both = (stdout: string) => (stdout.match(/^status /gm) ?? []).length === 2;

describe('the documented example, unmodified', () => {
  it.each(versions.npm)('gets 403 and 200 with e2b %s from npm', { timeout: 240_000 }, async (version) => {
    // Stop once both have appeared: the stream of its background command would keep the program running for a minute.
    const { stdout, stderr } = await runClient(stack, [process.execPath, RUNNER, 'js', version], {
      env: { SANDGATE_STATE_DIR: stack.stateDir },
      stop: both,
    });
    expect(stdout, stderr).toMatch(/^[0-9a-f]{64}\nstatus 403\nstatus 200\n$/);
  });

  it.each(versions.pypi)('gets 403 and 200 with e2b %s from PyPI', { timeout: 240_000 }, async (version) => {
    const { stdout, stderr, code } = await runClient(stack, [process.execPath, RUNNER, 'py', version], {
      env: { SANDGATE_STATE_DIR: stack.stateDir },
    });
    expect([stdout, code], stderr).toEqual(['status 403\nstatus 200\n', 0]);
  });

  it('is what docs/sdk.md shows', () => {
    const page = readFileSync(`${PACKAGE_ROOT}docs/sdk.md`, 'utf8');
    for (const name of ['example.mjs', 'example.py']) {
      expect(page).toContain(readFileSync(`${PACKAGE_ROOT}examples/${name}`, 'utf8'));
    }
  });
});
