import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect } from 'node:tls';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { parseAddress } from '../../src/address.ts';
import { type Gate, startGate } from '../../src/app.ts';
import { readSettings } from '../../src/config.ts';
import type { BootstrapSettings } from '../../src/envoy/bootstrap.ts';
import { secretFiles } from '../../src/envoy/secrets.ts';
import { parsePut } from '../../src/policy/put.ts';
import { openStore, policyRules } from '../../src/policy-access.ts';
import { type RunningEnvoy, startRunningEnvoy } from '../envoy/running-envoy.ts';
import { type Authority, createAuthority, type Issued } from '../stack/authority.ts';
import { eventually } from '../stack/eventually.ts';
import { LONG, LONG_TEST_MS } from '../stack/long.ts';
import { type MountedSecret, mountSecret } from '../stack/mounted-secret.ts';
import { type Newcomers, startNewcomers, type Visit, visit } from '../stack/newcomers.ts';
import { PATIENCE } from '../stack/patience.ts';
import { patient } from '../stack/patient-config.ts';
import { type Recorder, startRecorder } from '../stack/recorder.ts';
import { DOMAIN, hostOf, restricted, TOKEN } from '../stack/test-stack.ts';

/** Replacements of each certificate. */
const ROUNDS = LONG ? 100 : 5;
/** New connections that must see each certificate. */
const VISITS = LONG ? 50 : 12;
const GATE = 'gate.example';

let folder: string;
let authority: Authority;
let recorder: Recorder;
let host: string;
const undo: (() => unknown)[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-renewal-'));
  undo.push(() => rmSync(folder, { recursive: true, force: true }));
  authority = await createAuthority(folder, 'ca');
  recorder = await startRecorder();
  undo.push(() => recorder.close());
  host = hostOf(recorder.port, 'abc');
});

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const own = (...names: string[]) => join(folder, ...names);
const headers = () => ({ host, 'e2b-traffic-access-token': TOKEN });
const fingerprint = (pem: string) => new X509Certificate(readFileSync(pem)).fingerprint256;

async function startOwnGate(flags: Record<string, string>, onLine = (_line: string) => {}): Promise<Gate> {
  const bounds = { ops: '127.0.0.1:0', domains: DOMAIN, sandboxCidrs: '127.0.0.0/8', drain: '0' };
  const all = { stateDir: own('state'), ...bounds, ...flags };
  const settings = readSettings('serve', all, { baseDir: folder, ipv6Loopback: false }, {});
  const store = await openStore(settings);
  await store.write([parsePut(restricted('abc'), policyRules(settings))]);
  await store.close();
  const gate = await startGate(settings, pino({ level: 'info' }, { write: onLine }));
  undo.push(() => gate.close(AbortSignal.abort()));
  return gate;
}

/** An Envoy that reads these certificates as secrets. */
async function startEnvoyWith(
  settings: Pick<BootstrapSettings, 'tls' | 'gateTls' | 'gates'>,
  edit = patient,
) {
  for (const [name, text] of Object.entries(secretFiles(settings.tls, settings.gateTls)))
    writeFileSync(own(name), text);
  const anyPort = [{ host: '127.0.0.1', port: 0 }];
  const running = await startRunningEnvoy(
    { ...settings, https: settings.tls ? anyPort : [], secretsIn: folder },
    edit,
  );
  undo.push(() => running.stop());
  return running;
}

const tlsTo = ({ envoy }: RunningEnvoy, ca = authority.ca): ConnectionOptions => ({
  ...envoy.addresses.https[0]!,
  servername: host,
  ca: readFileSync(ca),
});

const failed = (visits: readonly Visit[]) =>
  visits.filter(({ certificate, status }) => certificate === undefined || status !== 200);

/** Resolves once enough clients have connected from now on, and all of them saw this certificate. */
async function expectSeen(newcomers: Newcomers, certificate: string): Promise<void> {
  const isNew = (one: Visit) => one.certificate === certificate;
  const first = await eventually(() => {
    const found = newcomers.visits.find(isNew);
    if (found === undefined) throw new Error('no client sees the new certificate');
    return found;
  });
  const later = await eventually(() => {
    const since = newcomers.visits.filter(({ from }) => from > first.to);
    if (since.length < VISITS) throw new Error(`only ${since.length} clients came`);
    return since;
  });
  expect(later.filter((one) => !isNew(one))).toEqual([]);
}

/** Connections that stay open: each use proves that it is still the same one. */
async function openKept(tls: ConnectionOptions) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ...tls });
  const session = connectHttp2(`https://${host}`, {
    createConnection: () => connect({ ...tls, ALPNProtocols: ['h2'] }),
  });
  const socket = new WebSocket(`wss://${host}`, { createConnection: () => connect(tls), headers: headers() });
  await once(socket, 'open');
  const overHttp1 = async () => {
    const sent = request({ agent, host: tls.host, port: tls.port, headers: headers() }).end();
    const [response] = await once(sent, 'response');
    await response.toArray();
    return { status: response.statusCode, reused: sent.reusedSocket };
  };
  const overHttp2 = async () => {
    const { host: authority, ...more } = headers();
    const stream = session.request({ ':authority': authority, ':path': '/', ...more });
    const [response] = await once(stream, 'response');
    await stream.toArray();
    return response[':status'];
  };
  await overHttp1();
  undo.push(() => {
    socket.terminate();
    session.destroy();
    agent.destroy();
  });
  return async () => {
    expect(await overHttp1()).toEqual({ status: 200, reused: true });
    expect(await overHttp2()).toBe(200);
    socket.send('hi');
    expect(String((await once(socket, 'message'))[0])).toBe('hi');
  };
}

describe('the certificate of the ingress, replaced while clients connect', () => {
  /** Two ways to replace the files, and how each begins. */
  const ways: Record<string, (first: Issued) => { tls: Issued; replace(next: Issued): void }> = {
    'as Kubernetes does, by one link': (first) => {
      const files = ({ certificate, key }: Issued) => ({ 'tls.crt': certificate, 'tls.key': key });
      const mounted = mountSecret(own('mounted'), files(first));
      const tls = { certificate: mounted.path('tls.crt'), key: mounted.path('tls.key') };
      return { tls, replace: (next) => mounted.replace(files(next)) };
    },
    'file by file, by renames': (first) => {
      const tls = { certificate: own('live.pem'), key: own('live.key') };
      copyFileSync(first.certificate, tls.certificate);
      copyFileSync(first.key, tls.key);
      return {
        tls,
        replace(next) {
          renameSync(next.key, tls.key);
          renameSync(next.certificate, tls.certificate);
        },
      };
    },
  };

  it.each(Object.keys(ways))(
    '%s: no handshake and no request fails, new connections get the new one, open ones go on',
    async (way) => {
      const { tls, replace } = ways[way]!(await authority.issue('first', [host]));
      const first = fingerprint(tls.certificate);
      const gate = await startOwnGate({ listen: `unix:${own('check', 'gate.sock')}` });
      const running = await startEnvoyWith({ tls, gates: [{ path: gate.check.slice('unix:'.length) }] });
      await expect.poll(() => running.envoy.admin.healthyGates(), PATIENCE).toBe(1);
      const useKept = await openKept(tlsTo(running));
      const newcomers = startNewcomers(tlsTo(running), headers());
      undo.push(() => newcomers.stop());
      await expectSeen(newcomers, first);
      for (let round = 0; round < ROUNDS; round += 1) {
        const next = await authority.issue(`next-${round}`, [host]);
        const wanted = fingerprint(next.certificate);
        replace(next);
        await expectSeen(newcomers, wanted);
        await useKept();
      }
      const visits = await newcomers.stop();
      expect(failed(visits)).toEqual([]);
      expect(new Set(visits.map(({ protocol }) => protocol)).size).toBe(2);
      expect(new Set(visits.map(({ certificate }) => certificate)).size).toBe(ROUNDS + 1);
      console.info(`${way}: ${visits.length} connections, ${ROUNDS} replacements, 0 failures`);
    },
    LONG_TEST_MS,
  );
});

describe('a new certificate that cannot be used', () => {
  let tls: Issued;
  let running: RunningEnvoy;
  const seen = async () => (await visit('h2', tlsTo(running), headers())).certificate;
  const failures = () => running.stat('sds.ingress.key_rotation_failed');

  beforeEach(async () => {
    // Alone in their folder: Envoy tries the files after every rename there.
    mkdirSync(own('live'));
    tls = { certificate: own('live', 'tls.crt'), key: own('live', 'tls.key') };
    const first = await authority.issue('first', [host]);
    copyFileSync(first.certificate, tls.certificate);
    copyFileSync(first.key, tls.key);
  });
  const start = async () => {
    running = await startEnvoyWith({ tls, gates: [{ path: own('none.sock') }] });
  };

  it.each<[string, (next: Issued) => string]>([
    ['with another key', ({ certificate }) => readFileSync(certificate, 'utf8')],
    ['of which half is written', ({ certificate }) => readFileSync(certificate, 'utf8').slice(0, 200)],
    ['that is empty', () => ''],
  ])('%s: Envoy keeps the old one and counts the failure, until the files are right', async (_, content) => {
    await start();
    const first = fingerprint(tls.certificate);
    expect(await seen()).toBe(first);
    const next = await authority.issue('next', [host]);
    writeFileSync(own('bad.pem'), content(next));
    renameSync(own('bad.pem'), tls.certificate);
    await expect.poll(failures, PATIENCE).toBe(1);
    expect(await seen()).toBe(first);

    const wanted = fingerprint(next.certificate);
    renameSync(next.key, tls.key);
    renameSync(next.certificate, tls.certificate);
    await expect.poll(seen, PATIENCE).toBe(wanted);
  });

  it('at the start: Envoy runs without TLS, counts that, and uses the certificate as soon as the files are right', async () => {
    const next = await authority.issue('next', [host]);
    copyFileSync(next.certificate, tls.certificate);
    await start();
    expect(await running.stat('sds.ingress.update_rejected')).toBe(1);
    expect((await visit('h2', tlsTo(running), headers())).error).toBeInstanceOf(Error);
    // The listener's stats have the port of the config.
    const unready = 'listener.127.0.0.1_0.server_ssl_socket_factory.downstream_context_secrets_not_ready';
    await expect.poll(() => running.stat(unready), PATIENCE).toBeGreaterThan(0);
    expect((await running.get()).status).toBe(503);

    const wanted = fingerprint(next.certificate);
    renameSync(next.key, tls.key);
    await expect.poll(seen, PATIENCE).toBe(wanted);
  });
});

describe('the certificates between Envoy and a gate', () => {
  it(
    'and both of their CAs are replaced under load: no request fails',
    async () => {
      const [old, fresh] = await Promise.all(['old', 'fresh'].map((name) => createAuthority(folder, name)));
      const both = own('both.pem');
      writeFileSync(both, readFileSync(old!.ca, 'utf8') + readFileSync(fresh!.ca, 'utf8'));
      const secret = ({ certificate, key }: Issued, ca: string) => ({
        'tls.crt': certificate,
        'tls.key': key,
        'ca.crt': ca,
      });
      const mount = async (name: string, names: string[]): Promise<MountedSecret> =>
        mountSecret(own(name), secret(await old!.issue(`${name}-old`, names), both));
      const gates = await mount('gate', [GATE]);
      const envoys = await mount('envoy', ['envoy.example']);
      let reloads = 0;
      const gate = await startOwnGate(
        {
          listen: '127.0.0.1:0',
          checkTlsCertificate: gates.path('tls.crt'),
          checkTlsKey: gates.path('tls.key'),
          checkTlsClientCa: gates.path('ca.crt'),
        },
        (line) => {
          if (line.includes('check_tls_reloaded')) reloads += 1;
        },
      );
      const gateTls = {
        ca: envoys.path('ca.crt'),
        name: GATE,
        client: { certificate: envoys.path('tls.crt'), key: envoys.path('tls.key') },
      };
      const tls = await authority.issue('ingress', [host]);
      // A connection for each Check, so that each proves the certificates of that moment.
      const running = await startEnvoyWith({ tls, gateTls, gates: [parseAddress(gate.check)] }, (config) =>
        patient(config).replace(
          /explicit_http_config:\n\s+http2_protocol_options: { max_concurrent_streams: 256/,
          (found) => `common_http_protocol_options: { max_requests_per_connection: 1 }\n        ${found}`,
        ),
      );
      await expect.poll(() => running.envoy.admin.healthyGates(), PATIENCE).toBe(1);
      const connections = () => running.stat('cluster.gate.upstream_cx_total');
      const updates = () => running.stat('cluster.gate.client_ssl_socket_factory.ssl_context_update_by_sds');
      const newcomers = startNewcomers(tlsTo(running), headers());
      undo.push(() => newcomers.stop());
      /** Resolves once this many requests have begun and ended from now on. */
      const requests = async (count: number) => {
        const now = performance.now();
        await expect
          .poll(() => newcomers.visits.filter(({ from }) => from > now).length, PATIENCE)
          .toBeGreaterThanOrEqual(count);
      };
      const replaceAt = async (which: 'gate' | 'envoy', from: Authority, name: string, ca: string) => {
        const before = which === 'gate' ? reloads : await updates();
        const mounted = which === 'gate' ? gates : envoys;
        mounted.replace(secret(await from.issue(`${which}-new`, [name]), ca));
        const now = async () => (which === 'gate' ? reloads : await updates());
        await expect.poll(now, PATIENCE).toBeGreaterThan(before);
        await requests(VISITS);
      };
      await requests(VISITS);
      const turns = LONG ? 10 : 1;
      for (let turn = 0; turn < turns; turn += 1) {
        const [from, to] = turn % 2 === 0 ? [old!, fresh!] : [fresh!, old!];
        // Envoy first presents a certificate of the new CA; then the gate does, and no longer accepts the old CA; nor does Envoy.
        await replaceAt('envoy', to, 'envoy.example', both);
        await replaceAt('gate', to, GATE, to.ca);
        await replaceAt('envoy', to, 'envoy.example', to.ca);
        if (turn === turns - 1) break;
        await replaceAt('gate', to, GATE, both);
        await replaceAt('envoy', to, 'envoy.example', both);
        expect(from).not.toBe(to);
      }
      const visits = await newcomers.stop();
      expect(failed(visits)).toEqual([]);
      expect(await connections()).toBeGreaterThanOrEqual(visits.length);
      console.info(`${visits.length} requests, each over new TLS connections, 0 failures`);

      // Control: with a certificate of the other CA, it would not have worked.
      const last = turns % 2 === 1 ? old! : fresh!;
      const before = await updates();
      envoys.replace(secret(await last.issue('stranger', ['envoy.example']), both));
      await expect.poll(updates, PATIENCE).toBeGreaterThan(before);
      expect((await visit('h2', tlsTo(running), headers())).status).toBe(503);
    },
    LONG_TEST_MS,
  );
});
