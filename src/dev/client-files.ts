import { copyFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { makeFolder } from '../folder.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import type { DevRun } from '../server/run-file.ts';

/** Where distributions keep the roots that the machine trusts, as one PEM file. */
const SYSTEM_ROOTS = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** Paths that the environment of a client names. */
export interface ClientFiles {
  /** The machine's roots and our CA, PEM: what replaces a program's own list must not shorten it. */
  bundle: string;
  /** For `node --require`. */
  nodeHook: string;
  /** For PYTHONPATH. */
  pythonFolder: string;
}

/** Writes them into the state folder, each whole or not at all. Throws the system's error. */
export function writeClientFiles(stateDir: string, client: NonNullable<DevRun['client']>): ClientFiles {
  const folder = join(stateDir, 'client');
  const pythonFolder = join(folder, 'python');
  makeFolder(pythonFolder, 0o700);
  const place = (path: string, write: (draft: string) => void) => {
    const draft = `${path}.${process.pid}`;
    write(draft);
    renameSync(draft, path);
    return path;
  };
  const domain = client.domain.replace(/:\d+$/, '');
  const known = JSON.stringify({ domain, addresses: client.addresses.map(reachable) });
  place(join(folder, 'resolve.json'), (draft) => writeFileSync(draft, `${known}\n`));
  place(join(pythonFolder, 'sitecustomize.py'), (draft) => copyFileSync(source('sitecustomize.py'), draft));
  return {
    bundle: place(join(folder, 'roots.pem'), (draft) =>
      writeFileSync(draft, `${systemRoots()}\n${readFileSync(client.ca, 'utf8')}`),
    ),
    nodeHook: place(join(folder, 'resolve.cjs'), (draft) => copyFileSync(source('resolve.cjs'), draft)),
    pythonFolder,
  };
}

function source(name: string): string {
  return join(PACKAGE_ROOT, 'client', name);
}

function systemRoots(): string {
  const file = SYSTEM_ROOTS.find(existsSync);
  return file === undefined ? rootCertificates.join('\n') : readFileSync(file, 'utf8').trimEnd();
}

/** A wildcard address is where to listen, not where to go. */
function reachable(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1';
  return address === '::' ? '::1' : address;
}
