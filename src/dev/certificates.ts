import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { SandgateError } from '../errors.ts';
import { NAME_CONSTRAINTS, nameConstraints } from './name-constraints.ts';

/** Paths of PEM files. */
export interface Certificates {
  ca: string;
  certificate: string;
  key: string;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;
const CA_DAYS = 3650;
/** Apple's clients refuse more than 397 days. */
const LEAF_DAYS = 390;
const RENEW_DAYS = 30;
/** Clocks of clients may be a little behind. */
const BACKDATE_MS = 3_600_000;

/**
 * The CA of the local stack and a server certificate for its domains, kept in `dir`: made on the first start, the
 * certificate again before it expires, both again when the domains change. The CA is name-constrained to those
 * domains and this machine, so that whoever takes its key gains nothing else.
 */
export async function ensureCertificates(
  dir: string,
  domains: readonly string[],
  now: () => number,
  notice: (line: string) => void,
): Promise<Certificates> {
  x509.cryptoProvider.set(webcrypto);
  const paths = {
    ca: join(dir, 'ca.pem'),
    certificate: join(dir, 'server.pem'),
    key: join(dir, 'server.key'),
  };
  const caKey = join(dir, 'ca.key');
  const bases = [...new Set(domains.map((domain) => domain.replace(/^\*\.?/, '')).filter(Boolean))];
  const dns = [...bases.flatMap((base) => [base, `*.${base}`]), 'localhost'];
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const constraints = nameConstraints([...bases, 'localhost']);
    let ca = await readPair(paths.ca, caKey);
    if (!ca || !isCurrent(ca.certificate, now()) || !hasConstraints(ca.certificate, constraints)) {
      if (ca)
        notice('the local CA expired or is for other domains: made a new one; programs must trust it again');
      ca = await makeCa(constraints, now());
      await writePair(paths.ca, caKey, ca);
    }
    const leaf = await readPair(paths.certificate, paths.key);
    const keep = leaf && isCurrent(leaf.certificate, now()) && sameNames(leaf.certificate, dns);
    if (!keep || !(await leaf.certificate.verify({ publicKey: ca.certificate, date: new Date(now()) }))) {
      await writePair(paths.certificate, paths.key, await makeLeaf(ca, dns, now()));
    }
  } catch (cause) {
    throw new SandgateError(
      'STATE_UNUSABLE',
      `cannot keep certificates in ${dir}: ${(cause as Error).message}`,
      {
        remedy: 'make the folder writable, or remove what is in it',
        cause,
      },
    );
  }
  return paths;
}

interface Pair {
  certificate: x509.X509Certificate;
  keys: webcrypto.CryptoKeyPair;
}

async function makeCa(constraints: Uint8Array<ArrayBuffer>, now: number): Promise<Pair> {
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: 'CN=Sandgate local CA',
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(now + CA_DAYS * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      new x509.Extension(NAME_CONSTRAINTS, true, constraints),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate, keys };
}

async function makeLeaf(ca: Pair, dns: readonly string[], now: number): Promise<Pair> {
  const keys = await newKeys();
  const names = [
    ...dns.map((value) => ({ type: 'dns' as const, value })),
    { type: 'ip' as const, value: '127.0.0.1' },
    { type: 'ip' as const, value: '::1' },
  ];
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: 'CN=Sandgate local stack',
    issuer: ca.certificate.subject,
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(now + LEAF_DAYS * DAY_MS),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: ca.keys.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(names),
      await x509.AuthorityKeyIdentifierExtension.create(ca.keys.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate, keys };
}

function isCurrent(certificate: x509.X509Certificate, now: number): boolean {
  return certificate.notBefore.getTime() <= now && certificate.notAfter.getTime() > now + RENEW_DAYS * DAY_MS;
}

function hasConstraints(certificate: x509.X509Certificate, wanted: Uint8Array): boolean {
  const found = certificate.extensions.find(({ type }) => type === NAME_CONSTRAINTS);
  return found !== undefined && Buffer.from(found.value).equals(wanted);
}

function sameNames(certificate: x509.X509Certificate, dns: readonly string[]): boolean {
  const names = certificate.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? [];
  const found = names.filter(({ type }) => type === 'dns').map(({ value }) => value);
  return found.join() === dns.join();
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, [
    'sign',
    'verify',
  ]) as Promise<webcrypto.CryptoKeyPair>;
}

function newSerial(): string {
  return Buffer.from(webcrypto.getRandomValues(new Uint8Array(16)))
    .toString('hex')
    .replace(/^./, '1');
}

/** Undefined where a file is missing or cannot be read as what it should be. */
async function readPair(certificateFile: string, keyFile: string): Promise<Pair | undefined> {
  try {
    const certificate = new x509.X509Certificate(readFileSync(certificateFile, 'utf8'));
    const der = x509.PemConverter.decodeFirst(readFileSync(keyFile, 'utf8'));
    const privateKey = await webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, true, ['sign']);
    const publicKey = (await certificate.publicKey.export(ALGORITHM, ['verify'])) as webcrypto.CryptoKey;
    const probe = new Uint8Array(8);
    const signature = await webcrypto.subtle.sign(ALGORITHM, privateKey, probe);
    const belong = await webcrypto.subtle.verify(ALGORITHM, publicKey, signature, probe);
    return belong ? { certificate, keys: { privateKey, publicKey } as webcrypto.CryptoKeyPair } : undefined;
  } catch {
    return undefined;
  }
}

/** The key first: a certificate without its key is noticed and made again. */
async function writePair(
  certificateFile: string,
  keyFile: string,
  { certificate, keys }: Pair,
): Promise<void> {
  const key = x509.PemConverter.encode(
    await webcrypto.subtle.exportKey('pkcs8', keys.privateKey),
    'PRIVATE KEY',
  );
  writeWhole(keyFile, `${key}\n`, 0o600);
  writeWhole(certificateFile, `${certificate.toString('pem')}\n`, 0o644);
}

function writeWhole(file: string, text: string, mode: number): void {
  writeFileSync(`${file}.new`, text, { mode });
  renameSync(`${file}.new`, file);
}
