import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sdkFolder } from '../../../scripts/sdk.mjs';
import { PACKAGE_ROOT } from '../../../src/package-root.ts';
import { type LocalStack, runClient, startLocalStack } from '../local-stack.ts';
import { versions } from './versions.ts';

let stack: LocalStack;
beforeAll(async () => {
  stack = await startLocalStack();
}, 120_000);
afterAll(() => stack.stop());

/** One line of output of `calls.mjs` and `calls.py`. */
interface Call {
  call: string;
  works: boolean;
  /** The local cloud does not offer the call, and says so. */
  refused?: boolean;
  error?: string;
}

const here = (name: string) => join(PACKAGE_ROOT, 'test', 'local-cloud', 'sdk', name);
const tables = new Map<string, Call[]>();

async function callsOf(registry: 'npm' | 'pypi', version: string): Promise<Call[]> {
  const folder = await sdkFolder(registry, version);
  const command =
    registry === 'npm' ? [process.execPath, join(folder, 'calls.mjs')] : ['python3', here('calls.py')];
  // A bare `import` looks next to the program.
  if (registry === 'npm') copyFileSync(here('calls.mjs'), command[1]!);
  const { PYTHONPATH } = await stack.environment();
  const path = [PYTHONPATH, folder].filter(Boolean).join(':');
  const { stdout, stderr, code } = await runClient(stack, command, { env: { PYTHONPATH: path } });
  expect(code, stderr).toBe(0);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Call);
}

const all = [
  ...versions.npm.map((version) => ['npm', version] as const),
  ...versions.pypi.map((version) => ['pypi', version] as const),
];

describe("E2B's SDKs, unmodified, against the local cloud", () => {
  it.each(all)('make every call that is offered: %s %s', { timeout: 240_000 }, async (registry, version) => {
    const calls = await callsOf(registry, version);
    expect(calls.length).toBeGreaterThan(30);
    expect(calls.filter(({ works, refused }) => !works && refused !== true)).toEqual([]);
    if (!tables.has(registry)) tables.set(registry, calls);
  });

  it('do what the table of docs/sdk-calls.md says', async () => {
    const [js = [], py = []] = [tables.get('npm'), tables.get('pypi')];
    const word = (calls: Call[], name: string) => {
      const found = calls.find(({ call }) => call === name);
      return found === undefined ? '' : found.works ? 'yes' : 'no';
    };
    const names = [...new Set([...js, ...py].map(({ call }) => call))];
    const rows = names.map((name) => `| ${name} | ${word(js, name)} | ${word(py, name)} |`);
    const note = 'Generated from a run of the tests, `npm test -- -u` writes it again. Empty: not tried.';
    const text = `# Calls of E2B's SDKs\n\n${note}\n\n| call | JavaScript | Python |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
    await expect(text).toMatchFileSnapshot(join(PACKAGE_ROOT, 'docs', 'sdk-calls.md'));
    expect(readFileSync(join(PACKAGE_ROOT, 'docs', 'sdk.md'), 'utf8')).toContain('sdk-calls.md');
  });
});
