import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Finding, fail, ok, warn } from './finding.ts';

const SOON_MS = 30 * 86_400_000;
const REMADE = '`sandgate dev` makes them again when it starts, and every hour while it runs';

/** A file from which programs of this shell read trusted CAs. */
export interface TrustFile {
  variable: string;
  file: string;
}

/**
 * Checks the local stack's certificates and, if `trusting` is given, whether those files contain its CA; `remedy` is for
 * files that do not. `now` is milliseconds since 1970.
 */
export function checkCertificates(
  folder: string,
  now: number,
  trusting?: readonly TrustFile[],
  remedy?: string,
): Finding[] {
  const caFile = join(folder, 'ca.pem');
  if (!existsSync(caFile)) return [ok('certificates', 'none yet; `sandgate dev` makes them')];
  const ca = read(caFile);
  const leaf = read(join(folder, 'server.pem'));
  if (ca === undefined || leaf === undefined) {
    return [fail('certificates', `a certificate in ${folder} cannot be read`, REMADE)];
  }
  return [
    validity('CA', ca, now),
    isKeyOf(leaf, join(folder, 'server.key'))
      ? leafOf(leaf, ca, now)
      : fail('server certificate', `its key in ${folder} cannot be read, or is another one`, REMADE),
    ...(trusting ? trustOf(ca, trusting, remedy ?? byHand(caFile)) : []),
  ];
}

function validity(check: string, certificate: X509Certificate, now: number): Finding {
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  const until = new Date(to).toISOString().slice(0, 10);
  if (now < from)
    return fail(check, `not valid before ${certificate.validFrom}`, "check this machine's clock");
  if (now >= to) return fail(check, `expired on ${until}`, REMADE);
  return to - now < SOON_MS ? warn(check, `expires on ${until}`, REMADE) : ok(check, `valid until ${until}`);
}

function leafOf(leaf: X509Certificate, ca: X509Certificate, now: number): Finding {
  if (!leaf.verify(ca.publicKey))
    return fail('server certificate', 'was not issued by the CA in the same folder', REMADE);
  return validity('server certificate', leaf, now);
}

function isKeyOf(leaf: X509Certificate, keyFile: string): boolean {
  try {
    return leaf.checkPrivateKey(createPrivateKey(readFileSync(keyFile)));
  } catch {
    return false;
  }
}

function byHand(caFile: string): string {
  return `export NODE_EXTRA_CA_CERTS='${caFile}' (Node.js), SSL_CERT_FILE (OpenSSL, Python); curl: --cacert`;
}

function trustOf(ca: X509Certificate, trusting: readonly TrustFile[], remedy: string): Finding[] {
  if (trusting.length === 0) {
    return [
      warn('trust', 'neither NODE_EXTRA_CA_CERTS nor SSL_CERT_FILE is set: HTTPS is not trusted', remedy),
    ];
  }
  return trusting.map(({ variable, file }) =>
    holds(file, ca)
      ? ok(`trust ${variable}`, 'contains our CA')
      : warn(`trust ${variable}`, `${file} does not contain our CA`, remedy),
  );
}

function holds(file: string, ca: X509Certificate): boolean {
  try {
    const blocks = readFileSync(file, 'utf8').match(
      /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g,
    );
    return (blocks ?? []).some((pem) => new X509Certificate(pem).fingerprint256 === ca.fingerprint256);
  } catch {
    return false;
  }
}

function read(file: string): X509Certificate | undefined {
  try {
    return new X509Certificate(readFileSync(file));
  } catch {
    return undefined;
  }
}
