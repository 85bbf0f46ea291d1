import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { SandgateError } from '../errors.ts';

/** Paths of PEM files. */
export interface TlsFiles {
  certificate: string;
  key: string;
  /** If set, clients must present a certificate that one of these CAs has signed. */
  clientCa: string | undefined;
}

/** The content of the files, after it was checked. */
export interface TlsMaterial {
  certificate: Buffer;
  key: Buffer;
  clientCa: Buffer | undefined;
  /** Expiry of the gate's own certificate, milliseconds since 1970. */
  expiresAt: number;
}

/**
 * Reads and checks all files now, because OpenSSL fails late and says little: with an expired certificate, or a bundle
 * without a root, a gate would start and then refuse every Envoy. `now` is milliseconds since 1970. Throws TLS_UNUSABLE,
 * which names the file.
 */
export function readTls(files: TlsFiles, now: number): TlsMaterial {
  const certificate = read(files.certificate);
  const key = read(files.key);
  const [own] = certificates(files.certificate, certificate);
  refuseOutside(files.certificate, own!, now);
  if (!own!.checkPrivateKey(privateKey(files.key, key))) {
    throw unusable(files.key, `is not the key of ${files.certificate}`, 'name a certificate and its own key');
  }
  const clientCa = files.clientCa === undefined ? undefined : read(files.clientCa);
  if (files.clientCa !== undefined && clientCa !== undefined) refuseBadCa(files.clientCa, clientCa, now);
  return { certificate, key, clientCa, expiresAt: Date.parse(own!.validTo) };
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw unusable(file, `cannot be read (${code})`, 'make it readable for the user that runs the gate');
  }
}

function certificates(file: string, pem: Buffer): X509Certificate[] {
  const blocks = pem
    .toString('latin1')
    .match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g);
  try {
    if (blocks !== null) return blocks.map((block) => new X509Certificate(block));
  } catch {
    // Reported below in plain words.
  }
  throw unusable(
    file,
    'does not contain a readable certificate',
    'give it as PEM (-----BEGIN CERTIFICATE-----)',
  );
}

function privateKey(file: string, pem: Buffer): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // OpenSSL's message about a key is not repeated.
    throw unusable(file, 'does not contain a readable private key', 'give it as PEM, not encrypted');
  }
}

function refuseOutside(file: string, certificate: X509Certificate, now: number): void {
  const { validFrom, validTo } = certificate;
  if (now >= Date.parse(validTo)) throw unusable(file, `expired on ${day(validTo)}`, 'renew it');
  if (now < Date.parse(validFrom)) {
    throw unusable(file, `is not valid before ${day(validFrom)}`, "check this machine's clock, or wait");
  }
}

/** OpenSSL accepts only a root as trust anchor; without a valid one, it would refuse every client. */
function refuseBadCa(file: string, pem: Buffer, now: number): void {
  const all = certificates(file, pem);
  const leaf = all.find(({ ca }) => !ca);
  if (leaf !== undefined) {
    throw unusable(
      file,
      'contains a certificate that is not a CA',
      'name the CA that signs the certificates of your Envoys',
    );
  }
  const roots = all.filter((one) => one.checkIssued(one));
  if (roots.length === 0)
    throw unusable(file, 'does not contain a root certificate', 'add the root of the chain');
  if (!roots.some(({ validTo }) => now < Date.parse(validTo))) refuseOutside(file, roots[0]!, now);
}

function day(date: string): string {
  return new Date(date).toISOString().slice(0, 10);
}

function unusable(file: string, what: string, remedy: string): SandgateError {
  return new SandgateError('TLS_UNUSABLE', `${file} ${what}`, { field: file, remedy });
}
