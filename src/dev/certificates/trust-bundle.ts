import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { rootCertificates } from 'node:tls';

/** Where distributions store the roots that the machine trusts, as one PEM file. */
const SYSTEM_ROOTS = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const NOTED = '# with ';

/** A PEM bundle that replaces a program's list of CAs, and so must contain everything that was in it. */
export interface TrustBundle {
  /** A different file for each set of the user's files, so that two shells do not overwrite each other's bundle. */
  path: string;
  /** PEM: the machine's roots, the user's own CAs, ours. */
  text: string;
  /** Whether the user's files add to the machine's roots. */
  addsOwn: boolean;
}

/** `own`: files that the user's environment names, which may include an earlier bundle of ours. `ca`: the file of our CA. */
export function trustBundle(folder: string, ca: string, own: readonly string[]): TrustBundle {
  const system = systemRoots();
  const known = new Set<string>([...certificatesOf(system), ...certificatesOf(textOf(ca))]);
  const notes: string[] = [];
  for (const file of new Set(own.flatMap((file) => sourcesOf(file, folder)))) {
    const fresh = certificatesOf(textOf(file)).filter((pem) => !known.has(pem));
    if (fresh.length === 0) continue;
    for (const pem of fresh) known.add(pem);
    notes.push(`${NOTED}${file}`, ...fresh);
  }
  const files = notes.filter((line) => line.startsWith(NOTED)).join('\n');
  const mark = files === '' ? '' : `-${createHash('sha256').update(files).digest('hex').slice(0, 8)}`;
  return {
    path: join(folder, `roots${mark}.pem`),
    text: `${[system, ...notes].join('\n')}\n${readFileSync(ca, 'utf8')}`,
    addsOwn: files !== '',
  };
}

/** An earlier bundle is replaced by the files it was made from, so that a replaced CA of ours does not stay in it. */
function sourcesOf(file: string, folder: string): string[] {
  if (dirname(file) !== folder) return [file];
  const lines = textOf(file).split('\n');
  return lines.flatMap((line) => (line.startsWith(NOTED) ? [line.slice(NOTED.length)] : []));
}

function certificatesOf(text: string): string[] {
  return text.match(CERTIFICATE) ?? [];
}

/** Empty for an unreadable file, which no program trusts either. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function systemRoots(): string {
  const file = SYSTEM_ROOTS.find(existsSync);
  return file === undefined ? rootCertificates.join('\n') : readFileSync(file, 'utf8').trimEnd();
}
