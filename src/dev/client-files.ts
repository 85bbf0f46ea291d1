import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../folder.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import type { DevRun } from '../server/run-file.ts';
import { trustBundle } from './trust-bundle.ts';

/** Paths that the environment of a client names. */
export interface ClientFiles {
  /** The machine's roots, the user's own CAs and ours, PEM. */
  bundle: string;
  /** What Node adds to its own roots: our CA alone, or the bundle where the user has CAs of their own. */
  nodeCas: string;
  /** For `node --require`; in the package, since Node does not start where it is gone. */
  nodeHook: string;
  /** For PYTHONPATH. */
  pythonFolder: string;
  /** JSON that those two read; without it they do nothing. */
  names: string;
}

/** Writes them into the state folder, each whole or not at all. Throws the system's error. `ownCas`: files, PEM. */
export function writeClientFiles(
  stateDir: string,
  client: NonNullable<DevRun['client']>,
  ownCas: readonly string[] = [],
): ClientFiles {
  const folder = join(stateDir, 'client');
  makeFolder(folder, 0o700);
  const place = (path: string, text: string) => {
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, text);
    renameSync(draft, path);
    return path;
  };
  const domain = client.domain.replace(/:\d+$/, '');
  const known = JSON.stringify({ domain, addresses: client.addresses.map(reachable) });
  const own = ownCas.filter((file) => file !== client.ca);
  const { path, text, addsOwn } = trustBundle(folder, client.ca, own);
  const bundle = place(path, text);
  const hooks = join(PACKAGE_ROOT, 'client');
  return {
    bundle,
    nodeCas: addsOwn ? bundle : client.ca,
    nodeHook: join(hooks, 'resolve.cjs'),
    pythonFolder: hooks,
    names: place(join(folder, 'resolve.json'), `${known}\n`),
  };
}

/** A wildcard address is where to listen, not where to go. */
function reachable(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1';
  return address === '::' ? '::1' : address;
}
