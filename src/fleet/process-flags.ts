import { tmpdir } from 'node:os';
import { format, parse } from 'node:path';
import { type Endpoint, formatEndpoint } from '../address.ts';
import type { Flags, SettingFound } from '../config.ts';
import { type Command, fallbackOf, flagKey, type HostEnvironment, SETTINGS } from '../settings.ts';
import { resolveSocketPath } from '../state/socket-path.ts';

/**
 * The command line of a gate process under a supervisor: the flags of the supervisor, replaced by the process' own
 * ones. Both inherit the same environment.
 */
export function processFlags(given: Flags, own: Flags): string[] {
  const flags: Flags = { ...given, ...own };
  return SERVE_SETTINGS.flatMap((setting) => {
    const text = flags[flagKey(setting)];
    return text === undefined ? [] : [`${setting.flag.split(' ')[0]}=${text}`];
  });
}

/**
 * The command line of a gate of the local stack: what `dev` found, replaced by the gate's own flags. It names every
 * setting of `serve`: a variable that is meant for the user's own `serve` must not reach this gate.
 */
export function stackGateFlags(found: readonly SettingFound[], own: Flags, host: HostEnvironment): string[] {
  const ofDev = Object.fromEntries(found.map(({ setting, text }) => [flagKey(setting), text]));
  const fallbacks = SERVE_SETTINGS.map((setting) => [flagKey(setting), fallbackOf(setting, 'dev', host)]);
  return processFlags({ ...Object.fromEntries(fallbacks), ...ofDev }, own);
}

const SERVE_SETTINGS = SETTINGS.filter(({ commands }) => (commands as readonly Command[]).includes('serve'));

/** Where each gate process listens: `gate.sock` becomes `gate-0.sock` and so on, TCP counts up from its port. */
export function checkEndpoints(listen: Endpoint, processes: number): Endpoint[] {
  return Array.from({ length: processes }, (_, n) => {
    if ('host' in listen) return { host: listen.host, port: listen.port + n };
    const { dir, name, ext } = parse(listen.path);
    return { path: format({ dir, name: `${name}-${n}`, ext }) };
  });
}

/** In the form that `--listen` and `envoy config --gate` take. */
export function formatListen(endpoint: Endpoint): string {
  if ('host' in endpoint) return formatEndpoint(endpoint);
  return formatEndpoint({ path: resolveSocketPath({ path: endpoint.path, access: 'group' }, tmpdir()).path });
}
