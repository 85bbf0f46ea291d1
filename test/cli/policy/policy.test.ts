import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sandgate } from '../../stack/command.ts';
import { sandgateInside } from '../../stack/command-inside.ts';
import { SEVERAL_PROCESSES_MS } from '../../stack/patience.ts';
import { digestOf, restricted, startTestStack, type TestStack, TOKEN } from '../../stack/test-stack.ts';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(() => stack?.stop());

const policy = (args: string[], input?: unknown, how: typeof sandgateInside = sandgateInside) =>
  how(['policy', ...args, '--state-dir', stack.stateDir], {
    input: typeof input === 'string' ? input : JSON.stringify(input),
  });

describe('sandgate policy', { timeout: SEVERAL_PROCESSES_MS }, () => {
  it('puts a record, which is in force when the command returns, and prints it', async () => {
    const put = await policy(['put', '-'], restricted('cli1'), sandgate);
    expect(put).toMatchObject({ code: 0, stdout: 'put cli1: in force at 1 gate\n' });
    const got = await policy(['get', 'cli1'], undefined, sandgate);
    expect(JSON.parse(got.stdout)).toMatchObject({
      sandboxId: 'cli1',
      access: { tokens: [{ id: 'default', sha256: digestOf(TOKEN) }] },
    });
    expect((await policy(['put', '-'], got.stdout)).code).toBe(0);
    // That was a write, so the version that `get` printed before is no longer the stored one.
    const stale = await policy(['put', '-'], got.stdout);
    expect(stale.code).toBe(1);
    expect(stale.stderr).toContain('VERSION_CONFLICT');
  });

  it('writes all of an array or nothing', async () => {
    const refused = await policy(['put', '-'], [restricted('cli2'), { sandboxId: 'NO' }]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('[1].sandboxId');
    expect((await policy(['get', 'cli2'])).code).toBe(1);
    const written = await policy(['put', '--json', '-'], [restricted('cli2'), restricted('cli3')]);
    expect(JSON.parse(written.stdout)).toMatchObject({ inForce: true, gates: 1, records: [{}, {}] });
  });

  it('names line and column of a JSON error, and shows no stack', async () => {
    const refused = await policy(['put', '-'], '{\n  "sandboxId": oops }');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('line 2, column 16');
    expect(refused.stderr).not.toContain('    at ');
  });

  it('refuses empty input, and an empty array', async () => {
    expect((await policy(['put', '-'], ' \n')).stderr).toContain('standard input is empty [INPUT_INVALID]');
    for (const [text, problem] of [
      ['[{"sandboxId":"a",\n"sandboxId":"b"}]', 'duplicate key at line 2, column 1'],
      ['{"runtime":{"route":{}},\n "runtime":{}}', 'duplicate key at line 2, column 2'],
      ['['.repeat(1_000_000), 'more than 32 levels at line 1, column 33'],
      [`${'{"a":'.repeat(100_000)}`, 'more than 32 levels at line 1'],
    ] as const) {
      const refused = await policy(['put', '-'], text);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain(`standard input is not JSON: ${problem}`);
    }
    expect((await policy(['put', '-'], '[]')).stderr).toContain('the array is empty [INPUT_INVALID]');
  });

  it('names the networks that do not contain a route', async () => {
    const refused = await policy(
      ['put', '-'],
      restricted('cli5', { runtime: { route: { address: '10.0.0.1' } } }),
    );
    expect(refused.stderr).toContain('(--sandbox-cidrs: 127.0.0.0/8)');
  });

  it('names the field that it refuses, and leaves the old policy', async () => {
    await policy(['put', '-'], restricted('cli4'));
    const refused = await policy(
      ['put', '--json', '-'],
      restricted('cli4', { access: { allowPublicTraffic: 'yes' } }),
    );
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.stderr)).toMatchObject({
      error: { code: 'POLICY_INVALID', field: 'access.allowPublicTraffic' },
    });
    expect(JSON.parse((await policy(['get', 'cli4'])).stdout).access.tokens).toHaveLength(1);
  });

  it('lists one JSON array, and deletes', async () => {
    await policy(['put', '-'], restricted('cli5'));
    const listed = JSON.parse((await policy(['list', '--json'], undefined, sandgate)).stdout);
    expect(listed.map((record: { sandboxId: string }) => record.sandboxId)).toContain('cli5');
    expect((await policy(['delete', 'cli5'], undefined, sandgate)).code).toBe(0);
    const unknown = await policy(['delete', 'cli5']);
    expect(unknown).toMatchObject({ code: 1 });
    expect(unknown.stderr).toContain('SANDBOX_UNKNOWN');
  });
});

describe('sandgate', { timeout: SEVERAL_PROCESSES_MS }, () => {
  it('exits 2 on a usage error, and 0 for help', async () => {
    expect((await sandgate(['policy', 'put'])).code).toBe(2);
    expect((await sandgateInside(['serve', '--nope'])).code).toBe(2);
    for (const command of [[], ['serve'], ['dev'], ['policy'], ['policy', 'put'], ['envoy', 'config']]) {
      const help = await sandgateInside([...command, '--help']);
      expect(help.code).toBe(0);
      expect(help.stdout).toContain('Usage: sandgate');
    }
  });

  it('E2: refuses Check on an address that other machines reach', async () => {
    const refused = await sandgate(['serve', '--listen', '0.0.0.0:0', '--sandbox-cidrs', '10.0.0.0/8']);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('SANDGATE_LISTEN');
  });

  it('refuses a corrupt database, a busy port and an unusable folder with a fix, and changes nothing', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'sandgate-cli-'));
    try {
      const serve = (stateDir: string, ops = '127.0.0.1:0') =>
        sandgate(['serve', '--state-dir', stateDir, '--ops', ops, '--sandbox-cidrs', '127.0.0.0/8']);
      const garbage = 'this is no database, '.repeat(500);
      writeFileSync(join(dir, 'policies.db'), garbage);
      const [corrupt, busy, unusable] = await Promise.all([
        serve(dir),
        serve(join(dir, 'other'), `127.0.0.1:${stack.gate.ops.port}`),
        serve(join(dir, 'policies.db', 'inside')),
      ]);
      expect(corrupt).toMatchObject({ code: 1 });
      expect(corrupt.stderr).toMatch(/^sandgate: .*\[STORE_CORRUPT\]\nfix: .*\n$/);
      expect(readFileSync(join(dir, 'policies.db'), 'utf8')).toBe(garbage);

      expect(busy.code).toBe(1);
      expect(busy.stderr).toMatch(/sandgate: .*\[ADDRESS_IN_USE\]\nfix: .*SANDGATE_OPS/);

      expect(unusable.code).toBe(1);
      expect(unusable.stderr).toMatch(/sandgate: .*\[STATE_UNUSABLE\]\nfix: /);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
