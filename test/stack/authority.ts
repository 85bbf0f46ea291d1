import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { ALGORITHM, newKeys, writePair } from '../../src/dev/certificates/certificate-pair.ts';

const DAY_MS = 86_400_000;

/** Paths of PEM files. */
export interface Issued {
  certificate: string;
  key: string;
}

/** A CA for tests. */
export interface Authority {
  /** Path of the CA certificate in PEM. */
  ca: string;
  /** Issues a certificate for these host names, for servers and clients; `validDays`: from and to, relative to now. */
  issue(file: string, names: string[], validDays?: [number, number]): Promise<Issued>;
}

export async function createAuthority(
  folder: string,
  name: string,
  [first, last] = [-30, 30],
): Promise<Authority> {
  const keys = await newKeys();
  const serialNumber = () => `1${randomBytes(15).toString('hex')}`;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: `CN=${name}`,
    notBefore: new Date(Date.now() + first * DAY_MS),
    notAfter: new Date(Date.now() + last * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const place = (file: string) => [join(folder, `${file}.pem`), join(folder, `${file}.key`)] as const;
  const [ca, caKey] = place(name);
  await writePair(ca, caKey, { certificate, keys });
  return {
    ca,
    async issue(file, names, [from, to] = [-1, 20]) {
      const own = await newKeys();
      const issued = await x509.X509CertificateGenerator.create({
        serialNumber: serialNumber(),
        subject: `CN=${file}`,
        issuer: certificate.subject,
        notBefore: new Date(Date.now() + from * DAY_MS),
        notAfter: new Date(Date.now() + to * DAY_MS),
        signingAlgorithm: ALGORITHM,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.ExtendedKeyUsageExtension([
            x509.ExtendedKeyUsage.serverAuth,
            x509.ExtendedKeyUsage.clientAuth,
          ]),
          new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns' as const, value }))),
          await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
        ],
      });
      const [certificateFile, key] = place(file);
      await writePair(certificateFile, key, { certificate: issued, keys: own });
      return { certificate: certificateFile, key };
    },
  };
}
