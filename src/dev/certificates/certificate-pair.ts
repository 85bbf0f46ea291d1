import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import * as x509 from '@peculiar/x509';

/** A certificate and its key. */
export interface Pair {
  certificate: x509.X509Certificate;
  keys: webcrypto.CryptoKeyPair;
}

/** P-256, which every client of a sandbox accepts. */
export const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, [
    'sign',
    'verify',
  ]) as Promise<webcrypto.CryptoKeyPair>;
}

/** Undefined if a file is missing or invalid, or if the key is not the certificate's. */
export async function readPair(certificateFile: string, keyFile: string): Promise<Pair | undefined> {
  try {
    const certificate = new x509.X509Certificate(readFileSync(certificateFile, 'utf8'));
    const der = x509.PemConverter.decodeFirst(readFileSync(keyFile, 'utf8'));
    const privateKey = await webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, true, ['sign']);
    const publicKey = (await certificate.publicKey.export(ALGORITHM, ['verify'])) as webcrypto.CryptoKey;
    const probe = new Uint8Array(8);
    const signature = await webcrypto.subtle.sign(ALGORITHM, privateKey, probe);
    const matches = await webcrypto.subtle.verify(ALGORITHM, publicKey, signature, probe);
    return matches ? { certificate, keys: { privateKey, publicKey } as webcrypto.CryptoKeyPair } : undefined;
  } catch {
    return undefined;
  }
}

/** Writes the key first: a certificate without its key is noticed, and both are made again. */
export async function writePair(
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
