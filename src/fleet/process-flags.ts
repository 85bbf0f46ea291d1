import { tmpdir } from 'node:os';
import { format, parse } from 'node:path';
import { type Endpoint, formatEndpoint } from '../address.ts';
import type { Flags } from '../config.ts';
import { flagKey, SETTINGS } from '../settings.ts';
import { resolveSocketPath } from '../state/socket-path.ts';

/**
 * The command line of a gate process: what its supervisor was given, but for what is each one's own. The environment
 * it inherits.
 */
export function processFlags(given: Flags, own: Flags): string[] {
  const flags: Flags = { ...given, ...own };
  return SETTINGS.filter(({ commands }) => commands.includes('serve')).flatMap((setting) => {
    const text = flags[flagKey(setting)];
    return text === undefined ? [] : [`${setting.flag.split(' ')[0]}=${text}`];
  });
}

/** Where each gate process listens: `gate.sock` becomes `gate-0.sock` and so on, TCP counts up from its port. */
export function checkPlaces(listen: Endpoint, processes: number): Endpoint[] {
  return Array.from({ length: processes }, (_, n) => {
    if ('host' in listen) return { host: listen.host, port: listen.port + n };
    const { dir, name, ext } = parse(listen.path);
    return { path: format({ dir, name: `${name}-${n}`, ext }) };
  });
}

/** As `--listen` takes it, and `envoy config --gate`. */
export function placeText(place: Endpoint): string {
  if ('host' in place) return formatEndpoint(place);
  return formatEndpoint({ path: resolveSocketPath({ path: place.path, access: 'group' }, tmpdir()).path });
}
