import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { ALGORITHM, newKeys, type Pair } from './certificate-pair.ts';

const DAY_MS = 86_400_000;
const CA_DAYS = 3650;
/** Apple's clients refuse certificates that are valid for more than 397 days. */
const LEAF_DAYS = 390;
/** Clients' clocks may be a little slow. */
const BACKDATE_MS = 3_600_000;

/**
 * A CA that can issue certificates only for servers of these domains and of this machine. The extended key usage of a CA
 * limits what it signs: a stolen key must not make client certificates.
 */
export async function makeCa(domains: readonly string[], now: number): Promise<Pair> {
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
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.Extension(NAME_CONSTRAINTS, true, nameConstraints(domains)),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate, keys };
}

/** A server certificate for these host names and the loopback addresses. */
export async function makeLeaf(ca: Pair, dns: readonly string[], now: number): Promise<Pair> {
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

function newSerial(): string {
  return Buffer.from(webcrypto.getRandomValues(new Uint8Array(16)))
    .toString('hex')
    .replace(/^./, '1');
}

/** Object identifier of the X.509 extension (RFC 5280 §4.2.1.10). */
export const NAME_CONSTRAINTS = '2.5.29.30';

const LOOPBACK_NETWORKS = [
  [127, 0, 0, 0, 255, 0, 0, 0],
  [...new Array(15).fill(0), 1, ...new Array(16).fill(255)],
];

/** A NameConstraints extension, in DER, that permits only these domains, their subdomains and loopback addresses. */
function nameConstraints(domains: readonly string[]): Uint8Array<ArrayBuffer> {
  const ip = LOOPBACK_NETWORKS.map((network) => der(0x30, der(0x87, Buffer.from(network))));
  return new Uint8Array(der(0x30, der(0xa0, Buffer.concat([...domains.map(dnsSubtree), ...ip]))));
}

/** Whether a NameConstraints extension permits the domain: it has the domain, or a parent domain, as a subtree. */
export function permits(constraints: Uint8Array, domain: string): boolean {
  const labels = domain.split('.');
  return labels.some((_, index) =>
    Buffer.from(constraints).includes(dnsSubtree(labels.slice(index).join('.'))),
  );
}

function dnsSubtree(domain: string): Buffer {
  return der(0x30, der(0x82, Buffer.from(domain, 'latin1')));
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
