import { formatAddress, isLoopback } from '../address.ts';
import type { Flags } from '../config.ts';
import type { GateTls } from '../envoy/gate-tls.ts';
import type { GateAddress } from '../envoy/socket-address.ts';
import { SandgateError } from '../errors.ts';

/** `--gate-tls-*` of `envoy config`: undefined without any. Throws SETTINGS_INVALID for what the gates would refuse too. */
export function gateTls(flags: Flags, gates: readonly GateAddress[]): GateTls | undefined {
  const { gateTlsCa: ca, gateTlsName: name, gateTlsCertificate: certificate, gateTlsKey: key } = flags;
  const asked = [ca, name, certificate, key].some((value) => value !== undefined);
  const whole = ca && name && Boolean(certificate) === Boolean(key);
  if (asked && !whole) {
    throw wrong(
      '--gate-tls-ca and --gate-tls-name belong together, and so do --gate-tls-certificate and --gate-tls-key',
    );
  }
  for (const gate of gates) {
    if ('path' in gate) {
      if (asked)
        throw wrong(`--gate unix:${gate.path} speaks no TLS: give host:port, or leave out --gate-tls-…`);
    } else if (!isLoopback(gate) && !(whole && certificate)) {
      throw wrong(
        `--gate ${formatAddress(gate)} is not on this machine: it needs --gate-tls-ca, --gate-tls-name, --gate-tls-certificate and --gate-tls-key`,
      );
    }
  }
  if (!ca || !name) return undefined;
  return { ca, name, client: certificate && key ? { certificate, key } : undefined };
}

function wrong(message: string): SandgateError {
  return new SandgateError('SETTINGS_INVALID', message);
}
