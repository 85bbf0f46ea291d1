import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureCertificates } from '../../src/dev/certificates.ts';
import { connect, namesOf } from './tls-client.ts';

const DAY_MS = 86_400_000;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-certificates-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const ensure = (domains: readonly string[] = ['e2b.localhost', '*.sandbox.test']) =>
  ensureCertificates(folder, domains, Date.now, () => {});
const leafOf = async (domains?: readonly string[]) =>
  readFileSync((await ensure(domains)).certificate, 'utf8');

describe('the certificates of the local stack', () => {
  it.each([
    'e2b.localhost',
    '8080-abc.e2b.localhost',
    'sandbox.test',
    '1-a.sandbox.test',
    'localhost',
    '127.0.0.1',
  ])('are accepted by Node for %s', async (host) => expect(await connect(await ensure(), host)).toBe(200));

  it.each(['example.com', 'a.b.e2b.localhost', 'other.localhost'])('are refused for %s', async (host) =>
    expect(await connect(await ensure(), host)).toBe('ERR_TLS_CERT_ALTNAME_INVALID'),
  );

  it('name each domain with its wildcard, and this machine', async () => {
    expect(namesOf(await leafOf())).toEqual([
      'e2b.localhost',
      '*.e2b.localhost',
      'sandbox.test',
      '*.sandbox.test',
      'localhost',
      '127.0.0.1',
      '0:0:0:0:0:0:0:1',
    ]);
  });

  it('are for this machine alone where every domain is accepted', async () => {
    expect(namesOf(await leafOf(['*']))).toEqual(['localhost', '127.0.0.1', '0:0:0:0:0:0:0:1']);
  });

  it('are short enough for the strictest client, for servers only, and P-256', async () => {
    const leaf = new X509Certificate(await leafOf());
    const days = (Date.parse(leaf.validTo) - Date.parse(leaf.validFrom)) / DAY_MS;
    expect(days).toBeLessThanOrEqual(397);
    expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    expect(leaf.ca).toBe(false);
    expect(leaf.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
  });

  it('have keys that nobody else can read, and no draft beside them', async () => {
    const files = await ensure();
    for (const name of ['ca.key', 'server.key'])
      expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    expect(files.key).toBe(join(folder, 'server.key'));
    expect(readdirSync(folder).sort()).toEqual(['ca.key', 'ca.pem', 'server.key', 'server.pem']);
  });
});

const openssl = (() => {
  try {
    return execFileSync('openssl', ['version'], { encoding: 'utf8' }).startsWith('OpenSSL 3');
  } catch {
    return false;
  }
})();

describe.skipIf(!openssl)('to openssl', () => {
  const run = (...args: string[]) =>
    execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

  it('the chain is valid', async () => {
    const { ca, certificate } = await ensure();
    const host = ['-verify_hostname', '8080-abc.e2b.localhost'];
    expect(
      run('verify', '-x509_strict', '-purpose', 'sslserver', ...host, '-CAfile', ca, certificate),
    ).toContain('OK');
  });

  it('the CA, even in wrong hands, signs nothing for another domain or address', async () => {
    const { ca } = await ensure();
    const file = (name: string) => join(folder, name);
    const signed = (name: string) => {
      const key = [
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        file('forged.key'),
      ];
      const by = ['-CA', ca, '-CAkey', file('ca.key'), '-days', '1', '-subj', '/CN=forged'];
      run(
        'req',
        '-x509',
        ...key,
        ...by,
        '-addext',
        `subjectAltName=${name}`,
        '-addext',
        'basicConstraints=CA:FALSE',
        '-out',
        file('forged.pem'),
      );
      return () => run('verify', '-CAfile', ca, file('forged.pem'));
    };
    expect(signed('DNS:x.e2b.localhost')()).toContain('OK');
    for (const name of ['DNS:example.com', 'DNS:e2b.localhost.com', 'IP:10.0.0.1']) {
      expect(signed(name)).toThrow(/permitted subtree violation/);
    }
    expect(run('x509', '-in', ca, '-noout', '-text')).toContain('X509v3 Name Constraints: critical');
  });
});
