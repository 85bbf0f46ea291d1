import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readPair } from '../../../src/dev/certificates/certificate-pair.ts';
import {
  type Certificates,
  ensureCertificates,
  keepCertificates,
} from '../../../src/dev/certificates/certificates.ts';
import { PATIENCE } from '../../stack/patience.ts';
import { connect, namesOf } from '../tls-client.ts';

const DAY_MS = 86_400_000;
const DOMAINS = ['e2b.localhost', '*.sandbox.test'];

let folder: string;
let now: number;
let notices: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-certificates-'));
  now = Date.now();
  notices = [];
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const ensure = (domains: readonly string[] = DOMAINS) =>
  ensureCertificates(
    folder,
    domains,
    () => now,
    (line) => void notices.push(line),
  );
const read = (files: Certificates) => ({
  ca: readFileSync(files.ca, 'utf8'),
  certificate: readFileSync(files.certificate, 'utf8'),
});

describe('on a later start', () => {
  it('nothing changes, and nothing is reported', async () => {
    const before = read(await ensure());
    now += 300 * DAY_MS;
    expect(read(await ensure())).toEqual(before);
    expect(notices).toEqual([]);
  });

  it('the certificate is renewed before it expires, by the same CA', async () => {
    const before = read(await ensure());
    now += 365 * DAY_MS;
    const after = read(await ensure());
    expect(after.ca).toBe(before.ca);
    expect(Date.parse(new X509Certificate(after.certificate).validTo)).toBeGreaterThan(now + 300 * DAY_MS);
    expect(notices).toEqual(['made a new server certificate for the local stack']);
  });

  it('an expiring CA is replaced', async () => {
    const before = read(await ensure());
    now += 3640 * DAY_MS;
    expect(read(await ensure()).ca).not.toBe(before.ca);
    expect(notices[0]).toBe(
      `made a new local CA because the old one expires soon; programs must trust ${join(folder, 'ca.pem')} again`,
    );
  });

  it('the CA stays if it permits the new domains, and only the certificate is replaced', async () => {
    const before = read(await ensure());
    const after = read(await ensure(['deep.e2b.localhost']));
    expect(after.ca).toBe(before.ca);
    expect(namesOf(after.certificate)).toContain('*.deep.e2b.localhost');
    expect(namesOf(after.certificate)).not.toContain('*.e2b.localhost');
  });

  it('the CA is replaced if it does not', async () => {
    const before = read(await ensure());
    const files = await ensure([...DOMAINS, 'b.localhos']);
    expect(read(files).ca).not.toBe(before.ca);
    expect(notices[0]).toContain('because the old one is for other domains');
    expect(await connect(files, 'x.b.localhos')).toBe(200);
  });

  it.each(['ca.pem', 'ca.key', 'server.pem', 'server.key'])(
    'a damaged %s is replaced, and that is reported',
    async (name) => {
      await ensure();
      writeFileSync(join(folder, name), readFileSync(join(folder, name), 'utf8').slice(0, 90));
      const files = await ensure();
      expect(notices).not.toEqual([]);
      expect(await connect(files, '8080-abc.e2b.localhost')).toBe(200);
    },
  );

  it('a key that belongs to another certificate is replaced', async () => {
    await ensure();
    writeFileSync(join(folder, 'server.key'), readFileSync(join(folder, 'ca.key')));
    expect(await connect(await ensure(), 'e2b.localhost')).toBe(200);
  });

  it('a folder that cannot be written is an error with a remedy', async () => {
    rmSync(folder, { recursive: true });
    writeFileSync(folder, '');
    await expect(ensure()).rejects.toMatchObject({ code: 'STATE_UNUSABLE', remedy: expect.any(String) });
  });
});

describe('while the stack runs', () => {
  let stop: () => void;
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    stop = keepCertificates(
      folder,
      DOMAINS,
      () => now,
      (line) => void notices.push(line),
    );
  });
  afterEach(() => {
    stop();
    vi.useRealTimers();
  });
  const hours = (count: number) => vi.advanceTimersByTime(count * 3_600_000);

  it('the certificate is renewed within an hour once it expires soon, by the same CA', async () => {
    const files = await ensure();
    const before = read(files);
    now += 365 * DAY_MS;
    hours(1);
    await expect.poll(() => notices, PATIENCE).toEqual(['made a new server certificate for the local stack']);
    expect(read(files).ca).toBe(before.ca);
    expect(read(files).certificate).not.toBe(before.certificate);
    expect(await readPair(files.certificate, files.key)).toBeDefined();
  });

  it('a failure is reported once and changes nothing, and the next hour tries again', async () => {
    const files = await ensure();
    const before = read(files);
    now += 365 * DAY_MS;
    // Present, but not a file: as unreadable for this as any other fault of the system.
    const key = readFileSync(join(folder, 'ca.key'));
    rmSync(join(folder, 'ca.key'));
    mkdirSync(join(folder, 'ca.key'));
    hours(1);
    await expect
      .poll(() => notices, PATIENCE)
      .toEqual([expect.stringContaining('cannot store certificates in')]);
    hours(1);
    expect(read(files)).toEqual(before);
    rmSync(join(folder, 'ca.key'), { recursive: true });
    writeFileSync(join(folder, 'ca.key'), key, { mode: 0o600 });
    hours(1);
    await expect
      .poll(() => notices.slice(1), PATIENCE)
      .toEqual(['made a new server certificate for the local stack']);
    expect(read(files).ca).toBe(before.ca);
  });

  it('nothing is checked once the stack has stopped', () => {
    stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});
