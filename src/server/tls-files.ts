import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { SandgateError } from '../errors.ts';

/** Paths of PEM files. */
export interface TlsFiles {
  certificate: string;
  key: string;
  /** With it, clients must show a certificate that one of these signed. */
  clientCa: string | undefined;
}

/** What the files held, once it was seen to fit together. */
export interface TlsMaterial {
  certificate: Buffer;
  key: Buffer;
  clientCa: Buffer | undefined;
  /** End of the gate's own certificate, milliseconds since 1970. */
  expiresAt: number;
}

/**
 * Reads all of them now, for OpenSSL finds out late and says little: an expired certificate, or a bundle without a root,
 * would start a gate that no Envoy can ask. `now` is milliseconds since 1970. Throws TLS_UNUSABLE with the file in it.
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
    // Said below, in words that a person can use.
  }
  throw unusable(
    file,
    'holds no certificate that can be read',
    'give it as PEM (-----BEGIN CERTIFICATE-----)',
  );
}

function privateKey(file: string, pem: Buffer): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // What OpenSSL says of a key is not repeated.
    throw unusable(file, 'holds no private key that can be read', 'give it as PEM, not encrypted');
  }
}

function refuseOutside(file: string, certificate: X509Certificate, now: number): void {
  const { validFrom, validTo } = certificate;
  if (now >= Date.parse(validTo)) throw unusable(file, `expired on ${day(validTo)}`, 'renew it');
  if (now < Date.parse(validFrom)) {
    throw unusable(file, `is not valid before ${day(validFrom)}`, "check this machine's clock, or wait");
  }
}

/** OpenSSL takes nothing for an anchor but a root; without a valid one every client would be refused. */
function refuseBadCa(file: string, pem: Buffer, now: number): void {
  const all = certificates(file, pem);
  const leaf = all.find(({ ca }) => !ca);
  if (leaf !== undefined) {
    throw unusable(
      file,
      'holds a certificate that is no CA',
      'name the CA that signs the certificates of your Envoys',
    );
  }
  const roots = all.filter((one) => one.checkIssued(one));
  if (roots.length === 0)
    throw unusable(file, 'holds no root certificate', 'put the root of the chain into it');
  if (!roots.some(({ validTo }) => now < Date.parse(validTo))) refuseOutside(file, roots[0]!, now);
}

function day(date: string): string {
  return new Date(date).toISOString().slice(0, 10);
}

function unusable(file: string, what: string, remedy: string): SandgateError {
  return new SandgateError('TLS_UNUSABLE', `${file} ${what}`, { field: file, remedy });
}
