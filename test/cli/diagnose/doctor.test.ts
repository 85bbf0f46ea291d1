import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatAddress } from '../../../src/address.ts';
import type { Finding } from '../../../src/doctor/finding.ts';
import { sandgate } from '../../stack/command.ts';
import { sandgateInside } from '../../stack/command-inside.ts';
import { publicSandbox, startTestStack, type TestStack } from '../../stack/test-stack.ts';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
  await stack.put(publicSandbox('doc1'));
});
afterAll(() => stack?.stop());

const findingsOf = (stdout: string) =>
  Object.fromEntries(
    (JSON.parse(stdout) as { findings: Finding[] }).findings.map((finding) => [finding.check, finding]),
  );

describe('sandgate doctor', () => {
  it('finds no fault in a running stack, and recognizes its ports', async () => {
    const [http, ops] = [formatAddress(stack.http), formatAddress(stack.gate.ops)];
    const where = ['--http', http, '--https', 'off', '--ops', ops, '--gates', '1'];
    const ran = await sandgate(['doctor', '--json', '--state-dir', stack.stateDir, ...where]);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(findingsOf(ran.stdout)).toMatchObject({
      node: { level: 'ok' },
      envoy: { level: 'ok' },
      store: { level: 'ok', found: 'embedded, 1 policy' },
      leftovers: { level: 'ok' },
      [`gate ${process.pid}`]: { level: 'ok', found: `ready, on ${stack.gate.check}` },
      [`port ${http}`]: { level: 'ok', found: `used by our own gate, pid ${process.pid}` },
      [`port ${ops}`]: { level: 'ok' },
      clock: { level: 'ok' },
    });
  });

  it('exits 1 with the remedies, and creates nothing', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'sandgate-doctor-'));
    chmodSync(dir, 0o777);
    const http = formatAddress(stack.http);
    const ran = await sandgateInside([
      'doctor',
      '--state-dir',
      dir,
      '--http',
      http,
      '--https',
      'off',
      '--ops',
      '127.0.0.1:0',
    ]);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/^sandgate: 2 failed: state folder, port .*\[CHECKS_FAILED\]\nfix: .*\n$/);
    expect(ran.stdout).toMatch(/^fail {2}state folder .*\n +-> chmod go-w /m);
    expect(ran.stdout).toMatch(/^fail {2}port .*in use by another program\n +-> stop what listens there/m);
    expect(readdirSync(dir)).toEqual([]);
    rmSync(dir, { recursive: true, force: true });
  });

  it('exits 2 for an invalid setting', async () => {
    expect((await sandgateInside(['doctor', '--gates', 'many'])).code).toBe(2);
  });
});
