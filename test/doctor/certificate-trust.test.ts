import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ensureCertificates } from '../../src/dev/certificates/certificates.ts';
import { checkCertificates } from '../../src/doctor/certificate-trust.ts';

const NOW = Date.now();
const DAY = 86_400_000;
let dir: string;
let other: string;
const inDir = (name: string) => join(dir, name);
const levels = (now: number) => checkCertificates(dir, now).map(({ check, level }) => [check, level]);

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'sandgate-doctor-'));
  other = mkdtempSync(join(tmpdir(), 'sandgate-doctor-'));
  for (const folder of [dir, other])
    await ensureCertificates(
      folder,
      ['e2b.localhost'],
      () => NOW,
      () => {},
    );
});
afterAll(() => {
  for (const folder of [dir, other]) rmSync(folder, { recursive: true, force: true });
});

it('reports that there are none yet', () => {
  expect(checkCertificates(inDir('nowhere'), NOW)).toMatchObject([{ level: 'ok' }]);
});

it('checks the dates of both', () => {
  expect(levels(NOW)).toEqual([
    ['CA', 'ok'],
    ['server certificate', 'ok'],
  ]);
  expect(levels(NOW + 370 * DAY)[1]).toEqual(['server certificate', 'warn']);
  expect(levels(NOW + 400 * DAY)[1]).toEqual(['server certificate', 'fail']);
  expect(levels(NOW - DAY).map(([, level]) => level)).toEqual(['fail', 'fail']);
});

it('distinguishes a bundle with our CA from one without it, and from no bundle', () => {
  const bundle = inDir('bundle.pem');
  const [ours, theirs] = [readFileSync(inDir('ca.pem'), 'utf8'), readFileSync(join(other, 'ca.pem'), 'utf8')];
  const trust = (file: string) => checkCertificates(dir, NOW, [{ variable: 'SSL_CERT_FILE', file }]).at(-1);
  writeFileSync(bundle, theirs + ours);
  expect(trust(bundle)).toMatchObject({ level: 'ok', check: 'trust SSL_CERT_FILE' });
  writeFileSync(bundle, theirs);
  expect(trust(bundle)).toMatchObject({ level: 'warn' });
  expect(trust(inDir('nowhere'))).toMatchObject({ level: 'warn' });
  expect(checkCertificates(dir, NOW, []).at(-1)!.remedy).toContain(inDir('ca.pem'));
  expect(checkCertificates(dir, NOW, [], 'eval it').at(-1)).toMatchObject({
    level: 'warn',
    remedy: 'eval it',
  });
});

it('fails for a server certificate with another key', () => {
  const key = readFileSync(inDir('server.key'));
  for (const content of [readFileSync(join(other, 'server.key')), key.subarray(0, 50)]) {
    writeFileSync(inDir('server.key'), content);
    expect(levels(NOW)[1]).toEqual(['server certificate', 'fail']);
  }
  writeFileSync(inDir('server.key'), key);
  expect(levels(NOW)[1]).toEqual(['server certificate', 'ok']);
});

it('fails for a server certificate of another CA, and for an unreadable one', () => {
  for (const name of ['server.pem', 'server.key']) copyFileSync(join(other, name), inDir(name));
  expect(levels(NOW)[1]).toEqual(['server certificate', 'fail']);
  writeFileSync(inDir('server.pem'), 'no certificate');
  expect(levels(NOW)).toEqual([['certificates', 'fail']]);
});
