import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { type ChannelCredentials, credentials, makeGenericClientConstructor, status } from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAddress } from '../../src/address.ts';
import { type Gate, startGate } from '../../src/app.ts';
import { readSettings } from '../../src/config.ts';
import type { GateTls } from '../../src/envoy/gate-tls.ts';
import { parsePut } from '../../src/policy/put.ts';
import { openStore, policyRules } from '../../src/policy-access.ts';
import { CHECK_SERVICE, checkDefinition } from '../../src/server/check-server.ts';
import { type RunningEnvoy, startRunningEnvoy } from '../envoy/running-envoy.ts';
import { type Authority, createAuthority, type Issued } from '../stack/authority.ts';
import { ask } from '../stack/client.ts';
import { PATIENCE } from '../stack/patience.ts';
import { type Recorder, startRecorder } from '../stack/recorder.ts';
import { DOMAIN, hostOf, restricted, TOKEN } from '../stack/test-stack.ts';
import { expectUnavailable } from '../stack/unavailable.ts';
import { missing } from './cases.ts';

const NAME = 'gate.example';

let folder: string;
let authority: Authority;
let other: Authority;
let envoys: Issued;
let gate: Gate;
let recorder: Recorder;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-check-tls-'));
  authority = await createAuthority(folder, 'ca');
  other = await createAuthority(folder, 'other-ca');
  envoys = await authority.issue('envoy', ['envoy.example']);
  recorder = await startRecorder();
  gate = await startMutualGate();
});

afterAll(async () => {
  await gate?.close(AbortSignal.abort());
  await recorder?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function startMutualGate(): Promise<Gate> {
  const { certificate, key } = await authority.issue('gate', [NAME]);
  const flags = {
    stateDir: join(folder, 'state'),
    listen: '127.0.0.1:0',
    ops: '127.0.0.1:0',
    domains: DOMAIN,
    sandboxCidrs: '127.0.0.0/8',
    drain: '0',
    checkTlsCertificate: certificate,
    checkTlsKey: key,
    checkTlsClientCa: authority.ca,
  };
  const settings = readSettings('serve', flags, { baseDir: folder, ipv6Loopback: false }, {});
  const store = await openStore(settings);
  await store.write([parsePut(restricted('abc'), policyRules(settings))]);
  await store.close();
  return startGate(settings, pino({ level: 'silent' }));
}

const trusted = (): GateTls => ({ ca: authority.ca, name: NAME, client: envoys });

/** An Envoy with this TLS to the gate. */
async function through(gateTls: GateTls | undefined, work: (running: RunningEnvoy) => Promise<void>) {
  const running = await startRunningEnvoy({
    gates: [parseAddress(gate.check)],
    ...(gateTls && { gateTls }),
  });
  try {
    await work(running);
  } finally {
    await running.stop();
  }
}

const get = ({ port }: RunningEnvoy, headers: Record<string, string> = {}) =>
  ask({ host: '127.0.0.1', port }, { host: hostOf(recorder.port, 'abc'), headers });

const WITH_TOKEN = { 'e2b-traffic-access-token': TOKEN };

/** The gRPC status that a client with these credentials gets; it sends bytes that are not a CheckRequest. */
function codeFor(kind: ChannelCredentials): Promise<number> {
  const Service = makeGenericClientConstructor(checkDefinition, CHECK_SERVICE);
  const client = new Service(gate.check, kind, { 'grpc.ssl_target_name_override': NAME });
  const { path, requestSerialize, responseDeserialize } = checkDefinition.Check!;
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      Buffer.from('0aff', 'hex'),
      (error) => {
        client.close();
        resolve(error?.code ?? status.OK);
      },
    );
  });
}

const secure = (own?: Issued, ca = authority.ca) =>
  credentials.createSsl(
    readFileSync(ca),
    own ? readFileSync(own.key) : null,
    own ? readFileSync(own.certificate) : null,
  );

describe('an Envoy with a certificate of the CA', () => {
  it('gets answers, and reaches the sandbox', () =>
    through(trusted(), async (running) => {
      await expect.poll(() => running.envoy.admin.healthyGates(), PATIENCE).toBe(1);
      expect(await get(running)).toMatchObject({ status: 403, body: missing('abc').body });
      expect(await get(running, WITH_TOKEN)).toMatchObject({ status: 200, body: 'hello' });
    }));
});

describe('the client gets 503 and the sandbox nothing, if Envoy', () => {
  it.each<[string, () => Promise<GateTls | undefined> | GateTls | undefined]>([
    ['speaks plain text', () => undefined],
    ['presents no certificate', () => ({ ...trusted(), client: undefined })],
    [
      'presents one of another CA',
      async () => ({ ...trusted(), client: await other.issue('stranger', ['envoy.example']) }),
    ],
    [
      'presents one that has expired',
      async () => ({ ...trusted(), client: await authority.issue('late', ['envoy.example'], [-3, -1]) }),
    ],
    ['expects a gate of another name', () => ({ ...trusted(), name: 'other.example' })],
    ['trusts another CA', () => ({ ...trusted(), ca: other.ca })],
  ])('%s', async (_, how) => {
    recorder.arrivals.length = 0;
    await through(await how(), async (running) => {
      await expect.poll(() => running.stat('cluster.gate.health_check.failure'), PATIENCE).toBeGreaterThan(0);
      expectUnavailable(await get(running, WITH_TOKEN));
      expect(await running.envoy.admin.healthyGates()).toBe(0);
    });
    expect(recorder.arrivals).toEqual([]);
  });
});

describe('the gate itself', () => {
  it('control: answers a client with a certificate of the CA', async () => {
    expect(await codeFor(secure(envoys))).toBe(status.INVALID_ARGUMENT);
  });

  it.each<[string, () => Promise<ChannelCredentials> | ChannelCredentials]>([
    ['plain text', () => credentials.createInsecure()],
    ['no certificate', () => secure()],
    ['a certificate of another CA', async () => secure(await other.issue('stranger', ['envoy.example']))],
    ['an expired one', async () => secure(await authority.issue('late', ['envoy.example'], [-3, -1]))],
  ])('refuses the connection of a client with %s, and keeps running', async (_, kind) => {
    expect(await codeFor(await kind())).toBe(status.UNAVAILABLE);
    expect(await codeFor(secure(envoys))).toBe(status.INVALID_ARGUMENT);
  });

  it.each(['TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const)('accepts TLS 1.2 and newer: %s', async (version) => {
    const { host, port } = parseAddress(gate.check);
    const socket = connect({
      host,
      port,
      servername: NAME,
      ca: readFileSync(authority.ca),
      cert: readFileSync(envoys.certificate),
      key: readFileSync(envoys.key),
      minVersion: version,
      maxVersion: version,
      // Without this, OpenSSL itself would not offer 1.1.
      ciphers: 'DEFAULT@SECLEVEL=0',
      ALPNProtocols: ['h2'],
    });
    const outcome = await once(socket, 'secureConnect').then(
      () => `${socket.getProtocol()} ${socket.alpnProtocol}`,
      () => 'refused',
    );
    socket.destroy();
    expect(outcome).toBe(version === 'TLSv1.1' ? 'refused' : `${version} h2`);
  });
});
