import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { type Address, formatAddress } from '../address.ts';
import { type Finding, ok, warn } from './finding.ts';

const WITHIN_MS = 2000;

/**
 * Checks whether Envoy presents the certificate that is in the file: it keeps the old one if it cannot use a new one.
 * `log`: Envoy's own, which says why.
 */
export async function checkServedCertificate(file: string, ingress: Address, log: string): Promise<Finding> {
  const check = 'certificate in use';
  const at = formatAddress(ingress);
  const remedy = `look for "Failed to reload certificates" in ${log}; restarting \`sandgate dev\` reads the file again`;
  try {
    const served = await presentedBy(ingress);
    if (served === new X509Certificate(readFileSync(file)).fingerprint256)
      return ok(check, `${at} presents the certificate of ${file}`);
    return warn(check, `${at} presents another certificate than ${file}`, remedy);
  } catch (error) {
    return warn(check, `cannot compare ${at} with ${file}: ${(error as Error).message}`, remedy);
  }
}

/** Fingerprint of the certificate, whoever issued it. */
function presentedBy({ host, port }: Address): Promise<string | undefined> {
  return new Promise<string | undefined>((resolve, reject) => {
    const socket = connect({ host, port, rejectUnauthorized: false, timeout: WITHIN_MS }, () => {
      resolve(socket.getPeerX509Certificate()?.fingerprint256);
      socket.destroy();
    });
    socket.once('timeout', () => socket.destroy(new Error(`no TLS handshake within ${WITHIN_MS} ms`)));
    socket.once('error', reject);
  });
}
