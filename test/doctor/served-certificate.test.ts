import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkServedCertificate } from '../../src/doctor/served-certificate.ts';
import { createAuthority, type Issued } from '../stack/authority.ts';
import { closedPort } from '../stack/closed-port.ts';

let dir: string;
let own: Issued;
let other: Issued;
let server: Server;
const check = (file: string, port = (server.address() as AddressInfo).port) =>
  checkServedCertificate(file, { host: '127.0.0.1', port }, '/logs/envoy.log');

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'sandgate-doctor-'));
  const authority = await createAuthority(dir, 'ca');
  own = await authority.issue('own', ['own.example']);
  other = await authority.issue('other', ['own.example']);
  server = createServer({ cert: readFileSync(own.certificate), key: readFileSync(own.key) });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  server?.close();
  rmSync(dir, { recursive: true, force: true });
});

it('is ok if the ingress presents the certificate of the file', async () => {
  expect(await check(own.certificate)).toMatchObject({ check: 'certificate in use', level: 'ok' });
});

it('warns if it presents another one, and names the log that says why', async () => {
  expect(await check(other.certificate)).toMatchObject({
    level: 'warn',
    found: expect.stringContaining('presents another certificate'),
    remedy: expect.stringContaining('/logs/envoy.log'),
  });
});

it.each<[string, () => Promise<[string, number?]>]>([
  ['the ingress does not answer', async () => [own.certificate, await closedPort()]],
  ['the file is missing', async () => [join(dir, 'none.pem')]],
])('warns if %s', async (_, at) => {
  expect(await check(...(await at()))).toMatchObject({
    level: 'warn',
    found: expect.stringMatching(/^cannot compare /),
  });
});
