import { type Endpoint, formatAddress, isLoopback, parseAddress } from '../address.ts';
import type { Flags } from '../config.ts';
import { loadBundledConfig, renderBootstrap } from '../envoy/bootstrap.ts';
import type { GateTls } from '../envoy/gate-tls.ts';
import { SandgateError } from '../errors.ts';
import type { Io } from './io.ts';

/** `envoy config`: the bundled config with these addresses in it, on stdout. */
export async function envoyConfig(io: Io, flags: Flags): Promise<void> {
  const { tlsCertificate, tlsKey } = flags;
  const https = addresses('--https', flags.https!);
  if (https.length > 0 && !(tlsCertificate && tlsKey)) {
    throw new SandgateError('SETTINGS_INVALID', '--https needs --tls-certificate and --tls-key');
  }
  const gates = flags.gate!.split(',').map(gateAddress);
  const tlsToGates = gateTls(flags, gates);
  const [stats] = addresses('--stats', flags.stats!);
  const rendered = renderBootstrap(await loadBundledConfig(), {
    // Who asks for TLS alone must not get a plain door beside it.
    http: addresses('--http', flags.http ?? (https.length > 0 ? 'off' : '0.0.0.0:8080')),
    https,
    ...(tlsCertificate && tlsKey ? { tls: { certificate: tlsCertificate, key: tlsKey } } : {}),
    gates,
    ...(tlsToGates && { gateTls: tlsToGates }),
    admin: { path: flags.admin! },
    ...(stats && { stats }),
  });
  io.stdout.write(rendered);
}

function gateAddress(text: string): Endpoint {
  if (text.startsWith('unix:')) return { path: text.slice('unix:'.length) };
  if (!text.startsWith('/')) return asked('--gate', text);
  throw new SandgateError('SETTINGS_INVALID', `--gate: a socket is written unix:${text}`);
}

function addresses(flag: string, text: string) {
  return text === 'off' ? [] : text.split(',').map((item) => asked(flag, item));
}

function asked(flag: string, text: string) {
  try {
    return parseAddress(text);
  } catch (error) {
    throw new SandgateError('SETTINGS_INVALID', `${flag}: ${(error as Error).message}, got "${text}"`);
  }
}

/** `--gate-tls-*` of `envoy config`: undefined without any. Throws SETTINGS_INVALID for what the gates would refuse too. */
function gateTls(flags: Flags, gates: readonly Endpoint[]): GateTls | undefined {
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
