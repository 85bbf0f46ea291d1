import { isAbsolute, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { type Endpoint, formatAddress, isLoopback, parseAddress } from '../address.ts';
import {
  capacityOf,
  DEFAULT_MAX_HEAP_MIB,
  LEAST_MAX_HEAP_MIB,
  MOST_MAX_HEAP_MIB,
} from '../envoy/capacity.ts';
import type { GateTls } from '../envoy/gate-tls.ts';
import type { Ingress } from '../envoy/ingress/snippet.ts';
import { SandgateError } from '../errors.ts';
import type { CommandContext } from './context.ts';
import { print } from './io.ts';

interface EnvoyConfigOptions {
  http?: string;
  https: string;
  tlsCertificate?: string;
  tlsKey?: string;
  gate: string;
  gateTlsCa?: string;
  gateTlsName?: string;
  gateTlsCertificate?: string;
  gateTlsKey?: string;
  admin: string;
  stats: string;
  maxHeap: string;
  maxConnections?: string;
  idleTimeout?: string;
  trustedHops: string;
  proxyProtocol?: boolean;
  out?: string;
  mountedAt?: string;
  snippet?: string;
}

/** `envoy config`: prints the bundled config for the given addresses, or writes it to a folder. */
export function register(parent: Command, context: CommandContext): void {
  parent
    .command('config')
    .description('print the Envoy config for given addresses, or write it to a folder')
    .option(
      '--http <list|off>',
      'plain HTTP listener, host:port[,host:port]; default: 0.0.0.0:8080, or off if --https is given',
    )
    .option('--https <list|off>', 'TLS listener; requires --tls-certificate and --tls-key', 'off')
    .option('--tls-certificate <file>', 'PEM certificate chain that Envoy reads')
    .option('--tls-key <file>', 'PEM private key that Envoy reads')
    .option(
      '--gate <list>',
      'addresses of the gates: unix:<path> or host:port, comma-separated',
      'unix:/run/sandgate/gate.sock',
    )
    .option(
      '--gate-tls-ca <file>',
      "TLS to gates on TCP: the CA of the gates' certificates; requires --gate-tls-name",
    )
    .option('--gate-tls-name <name>', "host name or IP address in the gates' certificates")
    .option(
      '--gate-tls-certificate <file>',
      'PEM certificate chain that Envoy presents to the gates; requires --gate-tls-key',
    )
    .option('--gate-tls-key <file>', 'PEM private key of that certificate')
    .option('--admin <path>', "unix socket of Envoy's admin interface", '/run/envoy/admin.sock')
    .option(
      '--stats <host:port|off>',
      'address at which to expose /stats/prometheus and /ready of the admin interface, and nothing else of it',
      'off',
    )
    .option(
      '--max-heap <MiB>',
      'largest heap of Envoy; its container needs half as much again, and its file limit (ulimit -n) 256 files per MiB',
      String(DEFAULT_MAX_HEAP_MIB),
    )
    .option('--max-connections <number>', 'most connections of clients; default: 128 per MiB of --max-heap')
    .option(
      '--idle-timeout <seconds>',
      "how long a client's connection may be idle; behind a load balancer, longer than the balancer's own (default: 60)",
    )
    .option(
      '--trusted-hops <number>',
      'number of proxies in front of Envoy, such as a TLS balancer, whose X-Forwarded-For and X-Forwarded-Proto are true; only they may reach the listener',
      '0',
    )
    .option(
      '--proxy-protocol',
      'expect the PROXY protocol (1 or 2) on every connection, for a balancer that passes TCP on',
    )
    .option(
      '--out <folder>',
      'write envoy.yaml to this folder instead, with the files through which Envoy follows renewed certificates without a restart; relative paths become absolute',
    )
    .option(
      '--mounted-at <folder>',
      'where Envoy finds the folder of --out, if not in the same place (in a container); all paths must then be absolute, as Envoy sees them',
    )
    .addOption(
      new Option(
        '--snippet <ingress>',
        'print instead what an ingress with its own routes must be told (`serve --routing ingress`)',
      ).choices(INGRESSES),
    )
    .action((options: EnvoyConfigOptions) => envoyConfig(context, options));
}

/** As in src/envoy/ingress/snippet.ts, which is loaded only when it is needed. */
const INGRESSES: readonly Ingress[] = ['envoy-gateway', 'istio'];

async function envoyConfig({ io }: CommandContext, options: EnvoyConfigOptions): Promise<void> {
  if (options.snippet !== undefined) {
    if (options.out !== undefined) throw invalid('--snippet prints only: leave out --out');
    const { renderIngressSnippet } = await import('../envoy/ingress/snippet.ts');
    io.stdout.write(await renderIngressSnippet(options.snippet as Ingress));
    return;
  }
  const { loadBundledConfig, renderBootstrap, writeConfigFolder } = await import('../envoy/bootstrap.ts');
  const folder = outFolder(options);
  const { tlsCertificate, tlsKey } = options;
  const https = addresses('--https', options.https);
  if (https.length > 0 && !(tlsCertificate && tlsKey)) {
    throw new SandgateError('SETTINGS_INVALID', '--https requires --tls-certificate and --tls-key');
  }
  const gates = options.gate.split(',').map(gateAddress);
  const tlsToGates = gateTls(options, gates);
  const [stats] = addresses('--stats', options.stats);
  const maxHeapMib = number('--max-heap', options.maxHeap, LEAST_MAX_HEAP_MIB, MOST_MAX_HEAP_MIB);
  const capacity = capacityOf(maxHeapMib);
  if (options.maxConnections !== undefined) {
    capacity.maxConnections = number('--max-connections', options.maxConnections, 1, 10_000_000);
  }
  const settings = {
    // --https alone must not open a plain HTTP listener too.
    http: addresses('--http', options.http ?? (https.length > 0 ? 'off' : '0.0.0.0:8080')),
    https,
    ...(tlsCertificate && tlsKey ? { tls: { certificate: tlsCertificate, key: tlsKey } } : {}),
    gates,
    ...(tlsToGates && { gateTls: tlsToGates }),
    admin: { path: options.admin },
    ...(stats && { stats }),
    capacity,
    ...(options.idleTimeout !== undefined && {
      idleTimeoutSeconds: number('--idle-timeout', options.idleTimeout, 1, 86_400),
    }),
    trustedHops: number('--trusted-hops', options.trustedHops, 0, MOST_HOPS),
    proxyProtocol: options.proxyProtocol ?? false,
  };
  if (folder === undefined) {
    io.stdout.write(renderBootstrap(await loadBundledConfig(), settings));
    return;
  }
  const written = await writeConfigFolder(folder.path, { ...settings, secretsIn: folder.asSeen }, 0o644);
  print(io, `wrote to ${folder.path}: ${written.join(', ')}`);
}

/** The folder of `--out`, here and as Envoy sees it; undefined if the config is printed. Makes the paths in the options absolute. */
function outFolder(options: EnvoyConfigOptions): { path: string; asSeen: string } | undefined {
  const { out, mountedAt } = options;
  if (out === undefined) {
    if (mountedAt !== undefined) throw invalid('--mounted-at requires --out');
    return undefined;
  }
  const place = (flag: string, path: string) => {
    if (mountedAt === undefined || isAbsolute(path)) return resolve(path);
    throw invalid(`${flag}: expected an absolute path, as Envoy sees it (--mounted-at), got "${path}"`);
  };
  for (const [name, flag] of PATHS) {
    const path = options[name];
    if (path !== undefined) options[name] = place(flag, path);
  }
  options.gate = options.gate
    .split(',')
    .map((gate) => (gate.startsWith('unix:') ? `unix:${place('--gate', gate.slice('unix:'.length))}` : gate))
    .join();
  const path = resolve(out);
  return { path, asSeen: mountedAt === undefined ? path : place('--mounted-at', mountedAt) };
}

const PATHS = [
  ['tlsCertificate', '--tls-certificate'],
  ['tlsKey', '--tls-key'],
  ['gateTlsCa', '--gate-tls-ca'],
  ['gateTlsCertificate', '--gate-tls-certificate'],
  ['gateTlsKey', '--gate-tls-key'],
  ['admin', '--admin'],
] as const;

function gateAddress(text: string): Endpoint {
  if (text.startsWith('unix:')) return { path: text.slice('unix:'.length) };
  if (!text.startsWith('/')) return address('--gate', text);
  throw new SandgateError('SETTINGS_INVALID', `--gate: write a socket as unix:${text}`);
}

function addresses(flag: string, text: string) {
  return text === 'off' ? [] : text.split(',').map((item) => address(flag, item));
}

/** More proxies than anyone has; a larger number is a mistake. */
const MOST_HOPS = 16;

function address(flag: string, text: string) {
  try {
    return parseAddress(text);
  } catch (error) {
    throw new SandgateError('SETTINGS_INVALID', `${flag}: ${(error as Error).message}, got "${text}"`);
  }
}

function number(flag: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw invalid(`${flag}: must be a number from ${least} to ${most}, got "${text}"`);
}

/** The `--gate-tls-*` options; undefined if none is given. Throws SETTINGS_INVALID for combinations that gates refuse. */
function gateTls(options: EnvoyConfigOptions, gates: readonly Endpoint[]): GateTls | undefined {
  const { gateTlsCa: ca, gateTlsName: name, gateTlsCertificate: certificate, gateTlsKey: key } = options;
  const given = [ca, name, certificate, key].some((value) => value !== undefined);
  const complete = ca && name && Boolean(certificate) === Boolean(key);
  if (given && !complete) {
    throw invalid(
      '--gate-tls-ca requires --gate-tls-name and vice versa, and --gate-tls-certificate requires --gate-tls-key and vice versa',
    );
  }
  for (const gate of gates) {
    if ('path' in gate) {
      if (given)
        throw invalid(
          `--gate unix:${gate.path} does not use TLS: give host:port, or leave out the --gate-tls-… options`,
        );
    } else if (!isLoopback(gate) && !(complete && certificate)) {
      throw invalid(
        `--gate ${formatAddress(gate)} is not on this machine: it requires --gate-tls-ca, --gate-tls-name, --gate-tls-certificate and --gate-tls-key`,
      );
    }
  }
  if (!ca || !name) return undefined;
  return { ca, name, client: certificate && key ? { certificate, key } : undefined };
}

function invalid(message: string): SandgateError {
  return new SandgateError('SETTINGS_INVALID', message);
}
