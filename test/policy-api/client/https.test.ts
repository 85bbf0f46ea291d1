import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Authority, createAuthority } from '../../stack/authority.ts';
import { sandgateInside } from '../../stack/command-inside.ts';

const KEY = 'k'.repeat(40);

let folder: string;
let authority: Authority;
let server: Server;
let port: number;
let keysSeen: (string | undefined)[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-test-'));
  writeFileSync(join(folder, 'key'), `${KEY}\n`);
  authority = await createAuthority(folder, 'ca');
  const { certificate, key } = await authority.issue('api', ['localhost']);
  server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (request, response) => {
    keysSeen.push(request.headers.authorization);
    response.end('{"records":[]}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
beforeEach(() => {
  keysSeen = [];
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const list = (host: string, flags: readonly string[], env: Record<string, string> = {}) =>
  sandgateInside(
    [
      ...['policy', 'list', '--state-dir', folder, '--policy-api-key-file', join(folder, 'key')],
      ...['--policy-api-url', `https://${host}:${port}`, ...flags],
    ],
    { env },
  );

describe('a policy API over TLS', () => {
  it('gets the key if its certificate chains to the CA of --policy-api-ca', async () => {
    expect(await list('localhost', ['--policy-api-ca', authority.ca])).toEqual({
      code: 0,
      stdout: 'no policies\n',
      stderr: `sandgate: via the policy API at https://localhost:${port}\n`,
    });
    expect(await list('localhost', [], { SANDGATE_POLICY_API_CA: authority.ca })).toMatchObject({ code: 0 });
    expect(keysSeen).toEqual([`Bearer ${KEY}`, `Bearer ${KEY}`]);
  });

  it('gets no key if its certificate is from another CA, whatever Node is told to ignore', async () => {
    const other = await createAuthority(folder, 'other');
    for (const flags of [[], ['--policy-api-ca', other.ca]]) {
      const refused = await list('localhost', flags, { NODE_TLS_REJECT_UNAUTHORIZED: '0' });
      expect(refused).toMatchObject({ code: 1, stdout: '' });
      expect(refused.stderr).toMatch(/certificate.*\[API_UNREACHABLE\]\nfix: .*--policy-api-ca/);
    }
    expect(keysSeen).toEqual([]);
  });

  it('is not connected to with a CA file that holds no certificate', async () => {
    const empty = join(folder, 'empty.pem');
    writeFileSync(empty, '');
    const refused = await list('localhost', ['--policy-api-ca', empty]);
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toContain('empty.pem does not contain a certificate [SETTINGS_INVALID]');
  });

  it('is distinguished from a port on which nothing listens', async () => {
    const refused = await sandgateInside([
      ...['policy', 'list', '--state-dir', folder, '--policy-api-url', 'https://127.0.0.1:1'],
    ]);
    expect(refused.stderr).toMatch(/ECONNREFUSED.*\[API_UNREACHABLE\]\nfix: check that the gate runs/);
  });

  it('gets no key if its certificate is for another host', async () => {
    const refused = await list('127.0.0.1', ['--policy-api-ca', authority.ca]);
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('127.0.0.1') });
    expect(refused.stderr).not.toContain('whether the request took effect');
    expect(keysSeen).toEqual([]);
  });
});
