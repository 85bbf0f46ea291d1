import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as x509 from '@peculiar/x509';
import { replaceFiles } from '../../folder.ts';

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

/**
 * Undefined if a file is missing or invalid, or if the key is not the certificate's. Throws the system's error if a file
 * is there but cannot be read: a CA that programs trust must not be replaced because files ran out.
 */
export async function readPair(certificateFile: string, keyFile: string): Promise<Pair | undefined> {
  const pems = [certificateFile, keyFile].map(textOf);
  try {
    const [certificatePem = '', keyPem = ''] = pems;
    const certificate = new x509.X509Certificate(certificatePem);
    const der = x509.PemConverter.decodeFirst(keyPem);
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

/** Empty for a missing file. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return '';
  }
}

/** The key comes first: a certificate without its key is noticed, and both are made again. */
export async function writePair(
  certificateFile: string,
  keyFile: string,
  { certificate, keys }: Pair,
): Promise<void> {
  const key = x509.PemConverter.encode(
    await webcrypto.subtle.exportKey('pkcs8', keys.privateKey),
    'PRIVATE KEY',
  );
  replaceFiles([
    { path: keyFile, text: `${key}\n`, mode: 0o600 },
    { path: certificateFile, text: `${certificate.toString('pem')}\n`, mode: 0o644 },
  ]);
}
