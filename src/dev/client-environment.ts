import { lookup } from 'node:dns/promises';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SandgateError } from '../errors.ts';
import { makeFolder } from '../folder.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import { type DevRun, liveClient } from '../state/run-file.ts';
import { trustBundle } from './certificates/trust-bundle.ts';

/** Environment variables for clients of the local cloud, by name. */
export type ClientEnvironment = Readonly<Record<string, string>>;

/** Variables whose value is prepended to the user's, with the separator. */
const PREPENDED: Readonly<Record<string, string>> = { NODE_OPTIONS: ' ', PYTHONPATH: ':' };

/** The environment for the local cloud that runs on the state folder. `ownCas`: see below. Throws CLOUD_AWAY, STATE_UNUSABLE. */
export async function clientEnvironment(
  stateDir: string,
  ownCas: readonly string[],
): Promise<ClientEnvironment> {
  const client = liveClient(stateDir);
  if (client === undefined) {
    throw new SandgateError('CLOUD_AWAY', `no local cloud is running on ${stateDir}`, {
      remedy: 'run `npm start` in another terminal, wait for its ready line, and try again',
    });
  }
  return environmentOf(stateDir, client, ownCas);
}

/**
 * The same for a local cloud that runs elsewhere. `stateDir` holds its API key; the files for clients are written there.
 * `ownCas`: PEM files that the user's programs already trust.
 */
export async function environmentOf(
  stateDir: string,
  client: NonNullable<DevRun['client']>,
  ownCas: readonly string[] = [],
): Promise<ClientEnvironment> {
  const { domain } = client;
  const keyFile = join(stateDir, 'cloud', 'api-key');
  if (!existsSync(keyFile)) {
    throw new SandgateError('STATE_UNUSABLE', `the API key of the local cloud is missing: ${keyFile}`, {
      remedy: 'restart `npm start`; it makes a new key',
    });
  }
  const { files, apiKey } = prepare(() => ({
    files: writeClientFiles(stateDir, client, ownCas),
    apiKey: readFileSync(keyFile, 'utf8').trim(),
  }));
  return {
    E2B_DOMAIN: domain,
    E2B_API_KEY: apiKey,
    NODE_EXTRA_CA_CERTS: files.nodeCas,
    SSL_CERT_FILE: files.bundle,
    REQUESTS_CA_BUNDLE: files.bundle,
    ...((await resolves(`api.${domain.replace(/:\d+$/, '')}`)) ? {} : resolvers(files)),
  };
}

/** `export` lines for a POSIX shell; a prepended value keeps what the variable contains. */
export function exportLines(environment: ClientEnvironment): string {
  const lines = Object.entries(environment).map(([name, value]) => {
    const separator = PREPENDED[name];
    const kept = separator === undefined ? '' : `"\${${name}:+${separator}$${name}}"`;
    return `export ${name}=${quoted(value)}${kept}`;
  });
  return lines.join('\n');
}

function resolvers({ nodeHook, pythonFolder, names }: ClientFiles): ClientEnvironment {
  return {
    SANDGATE_NAMES: names,
    NODE_OPTIONS: `--require ${JSON.stringify(nodeHook)}`,
    PYTHONPATH: pythonFolder,
  };
}

/** Whether this machine resolves the name without help. */
async function resolves(name: string): Promise<boolean> {
  return lookup(name).then(
    () => true,
    () => false,
  );
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function prepare<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new SandgateError(
      'STATE_UNUSABLE',
      `cannot prepare files for clients: ${(cause as Error).message}`,
      {
        remedy: 'free some space, or make the state folder writable',
        cause,
      },
    );
  }
}

/** Paths in the environment of a client. */
export interface ClientFiles {
  /** The machine's roots, the user's own CAs and ours, PEM. */
  bundle: string;
  /** The CAs that Node adds to its own roots: only ours, or the bundle if the user has CAs of their own. */
  nodeCas: string;
  /** For `node --require`. A file of the package, because Node does not start if it is missing. */
  nodeHook: string;
  /** For PYTHONPATH. */
  pythonFolder: string;
  /** The JSON file that these two read; without it they do nothing. */
  names: string;
}

/** Writes the files into the state folder, each atomically. Throws the system's error. `ownCas`: PEM files. */
export function writeClientFiles(
  stateDir: string,
  client: NonNullable<DevRun['client']>,
  ownCas: readonly string[] = [],
): ClientFiles {
  const folder = join(stateDir, 'client');
  makeFolder(folder, 0o700);
  const write = (path: string, text: string) => {
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, text);
    renameSync(draft, path);
    return path;
  };
  const domain = client.domain.replace(/:\d+$/, '');
  const known = JSON.stringify({ domain, addresses: client.addresses.map(reachable) });
  const own = ownCas.filter((file) => file !== client.ca);
  const { path, text, addsOwn } = trustBundle(folder, client.ca, own);
  const bundle = write(path, text);
  const hooks = join(PACKAGE_ROOT, 'client');
  return {
    bundle,
    nodeCas: addsOwn ? bundle : client.ca,
    nodeHook: join(hooks, 'resolve.cjs'),
    pythonFolder: hooks,
    names: write(join(folder, 'resolve.json'), `${known}\n`),
  };
}

/** A wildcard is an address to listen on, not to connect to. */
function reachable(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1';
  return address === '::' ? '::1' : address;
}
