import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseAddress } from '../../src/address.ts';
import { type CheckServer, startCheckServer } from '../../src/server/check-server.ts';
import { CheckTls } from '../../src/server/check-tls.ts';
import type { TlsFiles } from '../../src/server/tls-files.ts';
import { type Authority, createAuthority, type Issued } from '../stack/authority.ts';

const DAY_MS = 86_400_000;

let folder: string;
let authority: Authority;
let envoys: Issued;
let files: TlsFiles;
let tls: CheckTls;
let server: CheckServer;
let now: number;
const events: string[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-tls-'));
  events.length = 0;
  now = Date.now();
  authority = await createAuthority(folder, 'ca');
  envoys = await authority.issue('envoy', ['envoy.example']);
  files = { ...(await authority.issue('gate', ['old.example'])), clientCa: join(folder, 'clients.pem') };
  copyFileSync(authority.ca, files.clientCa!);
  tls = new CheckTls({
    files,
    now: () => now,
    onReload: () => events.push('reloaded'),
    onFault: (message) => events.push(message),
  });
  server = await startCheckServer({ host: '127.0.0.1', port: 0 }, () => Buffer.alloc(0), tls.credentials);
});

afterEach(async () => {
  tls?.close();
  await server?.close(0);
  rmSync(folder, { recursive: true, force: true });
});

/** The name in the certificate that the gate presents to this client; undefined if it ends the connection. */
async function shown(own: Issued = envoys): Promise<string | undefined> {
  const socket = connect({
    ...parseAddress(server.address),
    ca: readFileSync(authority.ca),
    cert: readFileSync(own.certificate),
    key: readFileSync(own.key),
    checkServerIdentity: () => undefined,
    ALPNProtocols: ['h2'],
  });
  try {
    // Wait for the server's first frame: with TLS 1.3, only then does a client know that it was accepted.
    await Promise.race([once(socket, 'data'), once(socket, 'close').then(() => Promise.reject(new Error()))]);
    return socket.getPeerCertificate().subjectaltname;
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
}

async function replace(name: string): Promise<void> {
  const fresh = await authority.issue('fresh', [name]);
  copyFileSync(fresh.key, files.key);
  copyFileSync(fresh.certificate, files.certificate);
}

describe('the certificates of the Check listener', () => {
  it('are reloaded when they are replaced, without a restart', async () => {
    expect(await shown()).toBe('DNS:old.example');
    await replace('new.example');
    tls.reload();
    expect(await shown()).toBe('DNS:new.example');
    tls.reload();
    expect(events).toEqual(['reloaded']);
  });

  it('stay in force if the new ones do not match, which is logged once, until they do', async () => {
    const fresh = await authority.issue('fresh', ['new.example']);
    copyFileSync(fresh.certificate, files.certificate);
    tls.reload();
    tls.reload();
    expect(events).toEqual([expect.stringMatching(/gate\.key is not the key of .*gate\.pem$/)]);
    expect(tls.concern()).toContain('the files read before stay in force');
    expect(await shown()).toBe('DNS:old.example');

    copyFileSync(fresh.key, files.key);
    tls.reload();
    expect(tls.concern()).toBeUndefined();
    expect(await shown()).toBe('DNS:new.example');
  });

  it('accept the clients of a new CA, and no longer those of the old one', async () => {
    const next = await createAuthority(folder, 'next-ca');
    const renewed = await next.issue('renewed', ['envoy.example']);
    expect(await shown(renewed)).toBeUndefined();
    copyFileSync(next.ca, files.clientCa!);
    tls.reload();
    expect(await shown(renewed)).toBe('DNS:old.example');
    expect(await shown(envoys)).toBeUndefined();
  });

  it('are a concern a week before they expire', () => {
    expect(tls.concern()).toBeUndefined();
    now += 14 * DAY_MS;
    expect(tls.concern()).toMatch(/^the TLS certificate expires at \d{4}-/);
  });
});

it.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'no %s session is resumed, so that each connection is verified',
  async (version) => {
    const open = async (session?: Buffer) => {
      const socket = connect({
        ...parseAddress(server.address),
        ca: readFileSync(authority.ca),
        cert: readFileSync(envoys.certificate),
        key: readFileSync(envoys.key),
        checkServerIdentity: () => undefined,
        ALPNProtocols: ['h2'],
        maxVersion: version,
        session,
      });
      const tickets: Buffer[] = [];
      socket.on('session', (ticket: Buffer) => tickets.push(ticket));
      await once(socket, 'data');
      const offered = tickets.at(-1) ?? socket.getSession();
      const reused = socket.isSessionReused();
      socket.destroy();
      return { offered, reused };
    };
    const { offered } = await open();
    expect(offered).toBeDefined();
    expect((await open(offered)).reused).toBe(false);
  },
);

describe('a gate does not start, and names the file, with', () => {
  const start = (over: Partial<TlsFiles>) =>
    new CheckTls({ files: { ...files, ...over }, now: () => now, onReload() {}, onFault() {} }).close();
  const written = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };

  it.each<[string, () => Promise<Partial<TlsFiles>> | Partial<TlsFiles>, RegExp]>([
    [
      'a missing file',
      () => ({ certificate: '/nowhere/x.pem' }),
      /^\/nowhere\/x\.pem cannot be read \(ENOENT\)/,
    ],
    ['a folder', () => ({ key: folder }), /cannot be read \(EISDIR\)/],
    [
      'text for a certificate',
      () => ({ certificate: written('text.pem', 'hello') }),
      /text\.pem does not contain a readable certificate/,
    ],
    [
      'a damaged certificate',
      () => ({
        certificate: written('cut.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'),
      }),
      /cut\.pem does not contain a readable certificate/,
    ],
    [
      'text for a key',
      () => ({ key: written('text.key', 'hello') }),
      /text\.key does not contain a readable private key/,
    ],
    [
      'the key of another certificate',
      () => ({ key: envoys.key }),
      /envoy\.key is not the key of .*gate\.pem/,
    ],
    [
      'an expired certificate',
      () => authority.issue('late', ['gate'], [-3, -1]),
      /late\.pem expired on \d{4}-\d\d-\d\d/,
    ],
    ['one of tomorrow', () => authority.issue('early', ['gate'], [1, 3]), /early\.pem is not valid before/],
    [
      'an empty client CA',
      () => ({ clientCa: written('empty.pem', '') }),
      /empty\.pem does not contain a readable certificate/,
    ],
    [
      'a client certificate for its CA',
      () => ({ clientCa: envoys.certificate }),
      /envoy\.pem contains a certificate that is not a CA/,
    ],
  ])('%s', async (_, over, message) => {
    const faulty = await over();
    expect(() => start(faulty)).toThrow(
      expect.objectContaining({
        code: 'TLS_UNUSABLE',
        message: expect.stringMatching(message),
        remedy: expect.any(String),
      }),
    );
  });

  it('a client CA that has expired', async () => {
    const late = await createAuthority(folder, 'late-ca', [-9, -1]);
    expect(() => start({ clientCa: late.ca })).toThrow(/late-ca\.pem expired on/);
  });
});
