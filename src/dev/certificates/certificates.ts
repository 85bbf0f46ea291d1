import 'reflect-metadata';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { SandgateError } from '../../errors.ts';
import { makeFolder } from '../../folder.ts';
import { makeCa, makeLeaf, NAME_CONSTRAINTS, permits } from './certificate-issuer.ts';
import { type Pair, readPair, writePair } from './certificate-pair.ts';

/** Paths of PEM files. */
export interface Certificates {
  ca: string;
  certificate: string;
  key: string;
}

const RENEW_BEFORE_MS = 30 * 86_400_000;
const CHECK_EVERY_MS = 3_600_000;

/**
 * The CA of the local stack and a server certificate for its domains, stored in `dir`. They are made on the first start,
 * and again if they cannot be read, expire soon or do not fit the domains. A new CA must be trusted again by programs, so
 * it is replaced for its domains only if its constraints do not permit one. The constraints limit the CA to the domains
 * and this machine, so that a stolen key is useless elsewhere. Domains as in the settings: `a.b`, `*.a.b`, `*` (adds
 * nothing). `now` is milliseconds since 1970. Throws STATE_UNUSABLE.
 */
export async function ensureCertificates(
  dir: string,
  domains: readonly string[],
  now: () => number,
  notice: (line: string) => void,
): Promise<Certificates> {
  const paths = {
    ca: join(dir, 'ca.pem'),
    certificate: join(dir, 'server.pem'),
    key: join(dir, 'server.key'),
  };
  const caKey = join(dir, 'ca.key');
  const bases = domains.map((domain) => domain.replace(/^\*\.?/, '')).filter(Boolean);
  const permitted = [...new Set([...bases, 'localhost'])];
  const dns = [...new Set([...bases.flatMap((base) => [base, `*.${base}`]), 'localhost'])];
  try {
    makeFolder(dir, 0o700);
    const hadCa = existsSync(paths.ca);
    let ca = await readPair(paths.ca, caKey);
    if (!ca || !isCurrent(ca.certificate, now()) || !coversAll(ca.certificate, permitted)) {
      const why = whyNew(ca, now());
      ca = await makeCa(permitted, now());
      await writePair(paths.ca, caKey, ca);
      if (hadCa) notice(`made a new local CA because ${why}; programs must trust ${paths.ca} again`);
    }
    const leaf = await readPair(paths.certificate, paths.key);
    const isUsable = leaf && isCurrent(leaf.certificate, now()) && sameNames(leaf.certificate, dns);
    if (!isUsable || !(await leaf.certificate.verify({ publicKey: ca.certificate, date: new Date(now()) }))) {
      const hadLeaf = existsSync(paths.certificate);
      await writePair(paths.certificate, paths.key, await makeLeaf(ca, dns, now()));
      if (hadLeaf) notice('made a new server certificate for the local stack');
    }
  } catch (cause) {
    throw new SandgateError(
      'STATE_UNUSABLE',
      `cannot store certificates in ${dir}: ${(cause as Error).message}`,
      {
        remedy: 'make the folder writable, or remove its content',
        cause,
      },
    );
  }
  return paths;
}

/**
 * Calls `ensureCertificates` every hour, for a stack that runs longer than its certificates are valid; Envoy reads them again.
 * A failure is reported once, and tried again an hour later. Returns how to stop it.
 */
export function keepCertificates(...args: Parameters<typeof ensureCertificates>): () => void {
  const [, , , notice] = args;
  let fault: string | undefined;
  const timer = setInterval(async () => {
    try {
      await ensureCertificates(...args);
      fault = undefined;
    } catch (error) {
      const { message } = error as Error;
      if (message !== fault) notice(message);
      fault = message;
    }
  }, CHECK_EVERY_MS).unref();
  return () => clearInterval(timer);
}

function isCurrent(certificate: x509.X509Certificate, now: number): boolean {
  return certificate.notBefore.getTime() <= now && certificate.notAfter.getTime() > now + RENEW_BEFORE_MS;
}

function whyNew(old: Pair | undefined, now: number): string {
  if (!old) return 'the old one could not be read';
  return isCurrent(old.certificate, now) ? 'the old one is for other domains' : 'the old one expires soon';
}

function coversAll(certificate: x509.X509Certificate, domains: readonly string[]): boolean {
  const found = certificate.extensions.find(({ type }) => type === NAME_CONSTRAINTS);
  return found !== undefined && domains.every((domain) => permits(new Uint8Array(found.value), domain));
}

function sameNames(certificate: x509.X509Certificate, dns: readonly string[]): boolean {
  const names = certificate.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? [];
  const found = names.filter(({ type }) => type === 'dns').map(({ value }) => value);
  return found.join() === dns.join();
}
