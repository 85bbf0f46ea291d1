import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeLeaf } from '../../../src/dev/certificates/certificate-issuer.ts';
import { readPair, writePair } from '../../../src/dev/certificates/certificate-pair.ts';
import { type Certificates, ensureCertificates } from '../../../src/dev/certificates/certificates.ts';
import { connect, namesOf } from '../tls-client.ts';

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

  it('are only for this machine if every domain is accepted', async () => {
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

  it('have keys that no other user can read, and leave no draft behind', async () => {
    const files = await ensure();
    for (const name of ['ca.key', 'server.key'])
      expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    expect(files.key).toBe(join(folder, 'server.key'));
    expect(readdirSync(folder).sort()).toEqual(['ca.key', 'ca.pem', 'server.key', 'server.pem']);
  });
});

describe('a stolen CA', () => {
  it.each(['example.com', 'e2b.localhost.com'])('cannot issue a certificate for %s', async (name) => {
    expect(await connect(await forge([name]), name)).toBe('permitted subtree violation');
  });

  it('control: can issue one for its own domain', async () => {
    expect(await connect(await forge(['forged.e2b.localhost']), 'forged.e2b.localhost')).toBe(200);
  });

  it('cannot issue a certificate for clients', async () => {
    expect(new X509Certificate(readFileSync((await ensure()).ca)).keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
  });

  it('is limited by a critical extension, which clients must not ignore', async () => {
    const ca = await readPair((await ensure()).ca, join(folder, 'ca.key'));
    expect(ca!.certificate.getExtension('2.5.29.30')?.critical).toBe(true);
  });

  async function forge(dns: string[]): Promise<Certificates> {
    const files = await ensure();
    const ca = await readPair(files.ca, join(folder, 'ca.key'));
    const forged = { ...files, certificate: join(folder, 'forged.pem'), key: join(folder, 'forged.key') };
    await writePair(forged.certificate, forged.key, await makeLeaf(ca!, dns, Date.now()));
    return forged;
  }
});
