import { tmpdir } from 'node:os';
import { format, parse } from 'node:path';
import { type Endpoint, formatEndpoint } from '../address.ts';
import { socketPlace } from '../server/socket-path.ts';

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
  return formatEndpoint({ path: socketPlace({ path: place.path, access: 'group' }, tmpdir()).path });
}
