import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import { toSandgateError } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';
import type { Settings } from '../settings.ts';
import { readTls, type TlsFiles, type TlsMaterial } from './tls-files.ts';

/** Files are polled, not watched: mounted secrets are replaced through symbolic links, which file watches miss. */
const RELOAD_MS = 10_000;
/** How long before its expiry a certificate is mentioned in `/readyz`. */
const SOON_MS = 7 * 86_400_000;

export interface CheckTlsOptions {
  files: TlsFiles;
  /** Milliseconds since 1970. */
  now(): number;
  onReload(): void;
  /** The new files cannot be used; the old ones stay in force. */
  onFault(message: string): void;
}

/** The certificates of the Check listener, reloaded when they are renewed. The constructor throws TLS_UNUSABLE. */
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

  /** Loads files that have changed. Open connections are not affected. */
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

  /** What an operator should look at, if anything. */
  concern(): string | undefined {
    if (this.#fault !== undefined) return `${this.#fault}; the files read before stay in force`;
    const { expiresAt } = this.#material;
    if (this.#options.now() < expiresAt - SOON_MS) return undefined;
    return `the TLS certificate expires at ${new Date(expiresAt).toISOString()}`;
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

/** TLS of the Check listener; undefined if the settings name no files for it. Throws TLS_UNUSABLE. */
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

/** Without a limit, a handshake that never ends holds a connection. */
const HANDSHAKE_WITHIN_MS = 10_000;

/** TLS of the Check listener, with client certificates if there is a CA for them. New files apply to new connections. */
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
    // No tickets: a resumed session is not verified again, so a certificate could be used after it, or its CA, has expired.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}
