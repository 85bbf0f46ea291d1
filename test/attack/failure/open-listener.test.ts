import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Authority, createAuthority, type Issued } from '../../stack/authority.ts';
import { sandgate } from '../../stack/command.ts';

let folder: string;
let authority: Authority;
let own: Issued;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-open-'));
  authority = await createAuthority(folder, 'ca');
  own = await authority.issue('gate', ['gate.example']);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const serve = (...more: string[]) =>
  sandgate([
    'serve',
    '--state-dir',
    join(folder, 'state'),
    '--sandbox-cidrs',
    '127.0.0.0/8',
    '--ops',
    '127.0.0.1:0',
    ...more,
  ]);

describe('E2: Check on an address that other machines can reach', () => {
  it.each<[string, () => string[]]>([
    ['without TLS', () => []],
    [
      'with TLS that asks no client who it is',
      () => ['--check-tls-certificate', own.certificate, '--check-tls-key', own.key],
    ],
    ['with a client CA alone', () => ['--check-tls-client-ca', authority.ca]],
  ])('is never listened on %s: exit 2, the cause and the fix', async (_, flags) => {
    const ran = await serve('--listen', '0.0.0.0:0', ...flags());
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(
      /^sandgate: SANDGATE_LISTEN \(--listen\): 0\.0\.0\.0:0 can be reached from other machines, which requires mutual TLS: set SANDGATE_CHECK_TLS_.* \[SETTINGS_INVALID\]\nfix: .*\n$/,
    );
  });

  it('is not opened with unusable files: exit code 1, with the file and the remedy', async () => {
    const late = await authority.issue('late', ['gate.example'], [-3, -1]);
    const ran = await serve(
      '--listen',
      '0.0.0.0:0',
      '--check-tls-certificate',
      late.certificate,
      '--check-tls-key',
      late.key,
      '--check-tls-client-ca',
      authority.ca,
    );
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toMatch(/^sandgate: .*late\.pem expired on .* \[TLS_UNUSABLE\]\nfix: renew it\n$/);
  });
});
