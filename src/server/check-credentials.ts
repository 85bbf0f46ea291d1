import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import type { TlsMaterial } from './tls-files.ts';

/** A handshake that never ends holds a connection. */
const HANDSHAKE_WITHIN_MS = 10_000;

/** TLS of the Check listener, with client certificates where there is a CA for them; new files take effect with the next connection. */
export class CheckCredentials extends ServerCredentials {
  constructor(material: TlsMaterial) {
    const mutual = material.clientCa !== undefined;
    super(
      { requestCert: mutual, rejectUnauthorized: mutual, handshakeTimeout: HANDSHAKE_WITHIN_MS },
      contextOf(material),
    );
  }

  renew(material: TlsMaterial): void {
    this.updateSecureContextOptions(contextOf(material));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function contextOf({ certificate, key, clientCa }: TlsMaterial): SecureContextOptions {
  return {
    cert: certificate,
    key,
    ...(clientCa !== undefined && { ca: clientCa }),
    minVersion: 'TLSv1.2',
    // A resumed session is not verified again: a certificate would outlive its end, or its CA, by a ticket.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}
