import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { type Certificates, ensureCertificates } from '../../src/dev/certificates/certificates.ts';
import { PATIENCE_MS } from '../stack/patience.ts';
import { type RunningEnvoy, startRunningEnvoy } from './running-envoy.ts';
import { allow, answer, type StubGate, startStubGate } from './stub-gate.ts';

const HOST = '8080-abc.e2b.localhost';

let folder: string;
let tls: Certificates;
let running: RunningEnvoy;
let gate: StubGate;
let echo: WebSocketServer;
let secure: { host: string; port: number };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-streams-'));
  tls = await ensureCertificates(folder, ['e2b.localhost'], Date.now, () => {});
  running = await startRunningEnvoy({ https: [{ host: '127.0.0.1', port: 0 }], tls });
  secure = running.envoy.addresses.https[0]!;
  gate = await startStubGate(running.gateSocket);
  echo = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  echo.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  await once(echo, 'listening');
  await running.envoy.waitForGate(PATIENCE_MS);
});

afterAll(async () => {
  await running?.stop();
  gate?.close();
  for (const socket of echo?.clients ?? []) socket.terminate();
  echo?.close();
  rmSync(folder, { recursive: true, force: true });
});

const allowEcho = (headers = {}) =>
  allow({ destination: `127.0.0.1:${(echo.address() as AddressInfo).port}`, headers });
/** Enough time to open one on a busy machine. */
const BOUNDED = { 'x-envoy-upstream-stream-duration-ms': '1500' };
const trust = () => ({ ca: readFileSync(tls.ca), servername: HOST });

describe('the TLS listener', () => {
  it.each([
    [['h2', 'http/1.1'], 'h2'],
    [['http/1.1'], 'http/1.1'],
  ])('agrees with a client of %j on %s', async (ALPNProtocols, agreed) => {
    const socket = connectTls({ ...secure, ...trust(), ALPNProtocols });
    await once(socket, 'secureConnect');
    expect(socket.alpnProtocol).toBe(agreed);
    socket.destroy();
  });

  it('refuses TLS 1.1', async () => {
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    const socket = connectTls({ ...secure, ...trust(), ...old });
    const [error] = await once(socket, 'error').catch((thrown) => [thrown]);
    expect(error.code).toMatch(/PROTOCOL_VERSION/);
  });
});

describe('a WebSocket over HTTP/1.1', () => {
  const open = () =>
    new WebSocket(`wss://127.0.0.1:${secure.port}/`, { ...trust(), headers: { host: HOST } });

  it('reaches the sandbox', async () => {
    gate.answer = () => allowEcho();
    const socket = open();
    await once(socket, 'open');
    socket.send('hello');
    expect(String((await once(socket, 'message'))[0])).toBe('hello');
    socket.terminate();
  });

  it('ends after the time that the gate has set', async () => {
    gate.answer = () => allowEcho(BOUNDED);
    const socket = open();
    await once(socket, 'open');
    expect((await once(socket, 'close'))[0]).toBe(1006);
  });

  it('gets the answer of the gate if it is denied', async () => {
    gate.answer = () => answer(403, {}, 'no');
    const [, response] = await once(open(), 'unexpected-response');
    expect(response.statusCode).toBe(403);
    response.destroy();
  });
});

describe('a WebSocket over HTTP/2', () => {
  let session: ClientHttp2Session;

  beforeEach(async () => {
    session = connectHttp2(`https://127.0.0.1:${secure.port}`, trust());
    // Extended CONNECT may be used only after the server has announced it.
    await once(session, 'remoteSettings');
  });

  afterEach(() => session.destroy());

  /** As in RFC 8441, without the key that HTTP/1.1 needs. */
  const open = async () => {
    const stream = session.request(
      {
        ':method': 'CONNECT',
        ':protocol': 'websocket',
        ':scheme': 'https',
        ':path': '/',
        ':authority': HOST,
        'sec-websocket-version': '13',
      },
      { endStream: false },
    );
    const [headers] = await once(stream, 'response');
    return { stream, status: headers[':status'] };
  };

  it('reaches the sandbox, and so does a second one on the same connection', async () => {
    gate.answer = () => allowEcho();
    for (let n = 0; n < 2; n += 1) {
      const { stream, status } = await open();
      expect(status).toBe(200);
      // A masked binary frame `hi`, with a mask of zeros.
      stream.write(Buffer.from([0x82, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
      expect((await once(stream, 'data'))[0]).toEqual(Buffer.from([0x82, 2, 0x68, 0x69]));
    }
  });

  it('ends after the time that the gate has set', async () => {
    gate.answer = () => allowEcho(BOUNDED);
    const { stream } = await open();
    stream.on('error', () => {});
    await new Promise((resolve) => stream.once('close', resolve));
  });

  it('gets the answer of the gate if it is denied', async () => {
    gate.answer = () => answer(403, {}, 'no');
    expect((await open()).status).toBe(403);
  });
});
