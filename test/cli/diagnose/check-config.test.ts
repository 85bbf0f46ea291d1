import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { envoyBinary } from '../../envoy-binary.ts';
import { sandgate } from '../../stack/command.ts';
import { sandgateInside } from '../../stack/command-inside.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sandgate-check-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const check = (
  args: string[],
  env: Record<string, string> = {},
  how: typeof sandgateInside = sandgateInside,
) => how(['check-config', ...args, '--state-dir', dir], { env });

describe('sandgate check-config', () => {
  it('shows each setting and where it comes from, validates with the real Envoy, and creates nothing', async () => {
    const env = { SANDGATE_DOMAINS: 'a.example', SANDGATE_ENVOY: envoyBinary() };
    const ran = await check(['dev', '--gates', '3', '--json'], env, sandgate);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    const { settings, faults, findings } = JSON.parse(ran.stdout);
    expect(faults).toEqual([]);
    expect(settings).toEqual(
      expect.arrayContaining([
        { name: 'SANDGATE_STATE_DIR', flag: '--state-dir', value: dir, from: 'flag' },
        { name: 'SANDGATE_GATES', flag: '--gates', value: '3', from: 'flag' },
        { name: 'SANDGATE_DOMAINS', flag: '--domains', value: 'a.example', from: 'environment' },
        { name: 'SANDGATE_POLICY_DIR', flag: '--policy-dir', value: join(dir, 'policies'), from: 'default' },
      ]),
    );
    expect(findings).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ check: 'store', level: 'ok' }),
        expect.objectContaining({ check: 'envoy config', level: 'ok' }),
      ]),
    );
    expect(readdirSync(dir)).toEqual([]);
  });

  it('is for serve by default', async () => {
    const ran = await check(['--sandbox-cidrs', '10.0.0.0/8']);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(/^SANDGATE_SANDBOX_CIDRS +flag +10\.0\.0\.0\/8$/m);
    expect(ran.stdout).toMatch(/^SANDGATE_LISTEN +default +unix:.*check\/gate\.sock$/m);
    expect(ran.stdout).not.toContain('SANDGATE_GATES');
    expect(existsSync(join(dir, 'policies.db'))).toBe(false);
  });

  it('exits 2 with every fault', async () => {
    const ran = await check(['serve', '--ops', 'nowhere'], { SANDGATE_DRAIN: 'soon' });
    expect(ran.code).toBe(2);
    for (const name of ['SANDGATE_OPS', 'SANDGATE_DRAIN', 'SANDGATE_SANDBOX_CIDRS'])
      expect(ran.stderr).toContain(name);
    expect(ran.stdout).toMatch(/^SANDGATE_DRAIN +environment +soon$/m);
  });

  it('exits 1 if a file that the settings name cannot be used', async () => {
    writeFileSync(join(dir, 'policies.db'), 'this is no database, '.repeat(500));
    const corrupt = await check(['dev']);
    expect(corrupt).toMatchObject({ code: 1 });
    expect(corrupt.stdout).toMatch(/^fail {2}store .*STORE_CORRUPT/m);
    const missing = await check(['dev', '--store', 'files', '--policy-dir', join(dir, 'none')], {
      SANDGATE_ENVOY: '/nowhere/envoy',
    });
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('SANDGATE_POLICY_DIR, SANDGATE_ENVOY');
  });
});
