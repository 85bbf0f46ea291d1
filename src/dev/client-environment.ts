import { lookup } from 'node:dns/promises';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SandgateError } from '../errors.ts';
import { type DevRun, liveClient } from '../server/run-file.ts';
import { type ClientFiles, writeClientFiles } from './client-files.ts';

/** Environment variables for whoever talks to the local cloud, by name. */
export type ClientEnvironment = Readonly<Record<string, string>>;

/** Those that add to what the user has. */
const ADDED: Readonly<Record<string, string>> = { NODE_OPTIONS: ' ', PYTHONPATH: ':' };

/** Of the local cloud that runs on the state folder. `ownCas` as below. Throws CLOUD_AWAY, STATE_UNUSABLE. */
export async function clientEnvironment(
  stateDir: string,
  ownCas: readonly string[],
): Promise<ClientEnvironment> {
  const client = liveClient(stateDir);
  if (client === undefined) {
    throw new SandgateError('CLOUD_AWAY', `no local cloud runs on ${stateDir}`, {
      remedy: 'run `npm start` in another terminal, wait for its ready line, and ask again',
    });
  }
  return environmentOf(stateDir, client, ownCas);
}

/**
 * The same for a cloud that runs elsewhere; `stateDir` holds its API key, and gets the files that clients read. `ownCas`:
 * PEM files that the user's programs trust so far.
 */
export async function environmentOf(
  stateDir: string,
  client: NonNullable<DevRun['client']>,
  ownCas: readonly string[] = [],
): Promise<ClientEnvironment> {
  const { domain } = client;
  const keyFile = join(stateDir, 'cloud', 'api-key');
  if (!existsSync(keyFile)) {
    throw new SandgateError('STATE_UNUSABLE', `the API key of the local cloud, ${keyFile}, is gone`, {
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

/** `export` lines for a POSIX shell; what adds to a variable keeps what is in it. */
export function exportLines(environment: ClientEnvironment): string {
  const lines = Object.entries(environment).map(([name, value]) => {
    const separator = ADDED[name];
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

/** Whether programs of this machine find such a name by themselves. */
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
