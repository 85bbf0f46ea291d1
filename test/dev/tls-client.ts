import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, get } from 'node:https';
import type { Certificates } from '../../src/dev/certificates/certificates.ts';

/** The names and addresses that a certificate (PEM) is for, in its order. */
export const namesOf = (pem: string) =>
  new X509Certificate(pem).subjectAltName?.split(', ').map((name) => name.replace(/^.*?:/, ''));

/** Status of a GET over TLS with these certificates, for a client that trusts only the CA. */
export async function connect(files: Certificates, host: string): Promise<number | string> {
  const server = createServer(
    { cert: readFileSync(files.certificate), key: readFileSync(files.key) },
    (_, response) => response.end(),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  try {
    return await new Promise((resolve) => {
      // An IP takes no servername: Node then checks the certificate against `host`.
      const to = /^[\d.:]+$/.test(host) ? { host: '127.0.0.1' } : { host: '127.0.0.1', servername: host };
      get({ ...to, port, ca: readFileSync(files.ca), agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      }).on('error', (error: NodeJS.ErrnoException) =>
        // Node has no error code for OpenSSL's name constraint failures.
        resolve(error.code === undefined || error.code === 'UNSPECIFIED' ? error.message : error.code),
      );
    });
  } finally {
    server.close();
  }
}
