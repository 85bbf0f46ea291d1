import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import { toSandgateError } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';
import type { Settings } from '../settings.ts';
import { readTls, type TlsFiles, type TlsMaterial } from './tls-files.ts';

/** Read again, not watched: a mounted secret is replaced through symbolic links, which file watches miss. */
const RELOAD_MS = 10_000;
/** How long before its end a certificate is worth a word in `/readyz`. */
const SOON_MS = 7 * 86_400_000;

export interface CheckTlsOptions {
  files: TlsFiles;
  /** Milliseconds since 1970. */
  now(): number;
  onReload(): void;
  /** New files cannot be used; the old ones stay in force. */
  onFault(message: string): void;
}

/** The certificates of the Check listener, followed through their renewal. The constructor throws TLS_UNUSABLE. */
export class CheckTls {
  readonly credentials: CheckCredentials;
  readonly mode: 'server' | 'mutual';
  readonly #options: CheckTlsOptions;
  readonly #timer: NodeJS.Timeout;
  #material: TlsMaterial;
  #fault: string | undefined;

  constructor(options: CheckTlsOptions) {
    this.#options = options;
    this.#material = readTls(options.files, options.now());
    this.credentials = new CheckCredentials(this.#material);
    this.mode = this.#material.clientCa === undefined ? 'server' : 'mutual';
    this.#timer = setInterval(() => this.reload(), RELOAD_MS).unref();
  }

  /** Takes up files that changed. Connections that are open stay as they are. */
  reload(): void {
    let found: TlsMaterial;
    try {
      found = readTls(this.#options.files, this.#options.now());
    } catch (error) {
      const { message } = toSandgateError(error);
      if (message !== this.#fault) this.#options.onFault(message);
      this.#fault = message;
      return;
    }
    this.#fault = undefined;
    if (same(found, this.#material)) return;
    this.#material = found;
    this.credentials.renew(found);
    this.#options.onReload();
  }

  /** What an operator should look at; undefined where there is nothing. */
  concern(): string | undefined {
    if (this.#fault !== undefined) return `${this.#fault}; what was read before stays in force`;
    const { expiresAt } = this.#material;
    if (this.#options.now() < expiresAt - SOON_MS) return undefined;
    return `the TLS certificate ends at ${new Date(expiresAt).toISOString()}`;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

function same(a: TlsMaterial, b: TlsMaterial): boolean {
  const bytes = ({ certificate, key, clientCa }: TlsMaterial) => [
    certificate,
    key,
    clientCa ?? Buffer.alloc(0),
  ];
  return bytes(a).every((one, index) => one.equals(bytes(b)[index]!));
}

/** TLS of the Check listener where the settings name files for it; else undefined. Throws TLS_UNUSABLE. */
export function openCheckTls(
  settings: Pick<Settings, 'checkTlsCertificate' | 'checkTlsKey' | 'checkTlsClientCa'>,
  now: () => number,
  log: Pick<Logger, 'info' | 'error'>,
): CheckTls | undefined {
  const { checkTlsCertificate: certificate, checkTlsKey: key, checkTlsClientCa: clientCa } = settings;
  if (certificate === undefined || key === undefined) return undefined;
  return new CheckTls({
    files: { certificate, key, clientCa },
    now,
    onReload: () => log.info('check_tls_reloaded'),
    onFault: (reason) => log.error({ reason }, 'check_tls_reload_failed'),
  });
}

/** A handshake that never ends holds a connection. */
const HANDSHAKE_WITHIN_MS = 10_000;

/** TLS of the Check listener, with client certificates where there is a CA for them; new files take effect with the next connection. */
class CheckCredentials extends ServerCredentials {
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
