import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PATIENCE_MS } from '../stack/patience.ts';
import { patient } from '../stack/patient-config.ts';
import { startRecorder } from '../stack/recorder.ts';
import { type RawServer, startRawServer, type Treat } from './raw-server.ts';
import { type RunningEnvoy, startRunningEnvoy } from './running-envoy.ts';
import { allow, type StubGate, startStubGate } from './stub-gate.ts';

let running: RunningEnvoy;
let gate: StubGate;
beforeAll(async () => {
  running = await startRunningEnvoy({}, patient);
  gate = await startStubGate(running.gateSocket);
  await running.envoy.waitForGate(PATIENCE_MS);
});
afterAll(async () => {
  await running?.stop();
  gate?.close();
});

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const UPGRADE = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-key': 'MTIzNDU2Nzg5MDEyMzQ1Ng==',
};
const KEPT = ['GET', 'HEAD', 'OPTIONS'];
const FRESH = ['POST', 'PUT', 'PATCH', 'DELETE'];

/** Starts a server for the duration of the test, as the destination of every request. */
async function withServer<T>(treat: Treat, work: (server: RawServer) => Promise<T>): Promise<T> {
  const server = await startRawServer(treat);
  gate.answer = () => allow({ destination: `127.0.0.1:${server.port}` });
  return work(server).finally(() => server.close());
}

describe('a server that closes the connection after its answer without saying so', () => {
  // A second request on a connection is what a request that raced the close is.
  const once: Treat = (socket, nth) => void (nth === 1 ? socket.write(OK) : socket.destroy());
  const resetting: Treat = (socket, nth) => void (nth === 1 ? socket.write(OK) : socket.resetAndDestroy());

  it.each([...KEPT, ...FRESH])('answers every %s', async (method) => {
    for (const treat of [once, resetting]) {
      await withServer(treat, async () => {
        for (let n = 0; n < 4; n++) expect((await running.get({}, { method })).status).toBe(200);
      });
    }
  });

  it.each([0, 1, 10])('%i ms later answers every request', async (afterMs) => {
    const closing: Treat = (socket) => {
      socket.write(OK);
      setTimeout(() => socket.destroy(), afterMs);
    };
    await withServer(closing, async () => {
      for (let n = 0; n < 40; n++) {
        const method = n % 2 === 0 ? 'GET' : 'POST';
        expect((await running.get({}, { method })).status).toBe(200);
      }
    });
  });
});

describe('a server that dies of a request', () => {
  const dies: Treat = (socket) => socket.destroy();
  const diesLater: Treat = (socket, nth) => void (nth === 1 ? socket.write(OK) : socket.destroy());

  it.each(KEPT)('gets a %s twice at most', async (method) => {
    await withServer(dies, async (server) => {
      expect((await running.get({}, { method })).status).toBe(502);
      expect(server.requests).toBe(2);
    });
  });

  it.each(FRESH)('gets a %s once', async (method) => {
    for (const body of ['', 'x']) {
      await withServer(dies, async (server) => {
        const reply = await running.get({}, { method, body });
        expect(reply).toMatchObject({ status: 502, headers: { 'x-sandgate-reason': 'upstream_failed' } });
        expect(server.requests).toBe(1);
      });
    }
  });

  it('gets an upgrade, and a GET with a length, once', async () => {
    const asked: [Record<string, string>, string][] = [
      [UPGRADE, ''],
      [{ 'content-length': '1' }, 'x'],
      [{ 'content-length': '0' }, ''],
    ];
    for (const [headers, body] of asked) {
      await withServer(dies, async (server) => {
        expect((await running.get(headers, { body })).status).toBe(502);
        expect(server.requests).toBe(1);
      });
    }
  });

  it('gets a GET with a body of unknown length twice at most', async () => {
    await withServer(dies, async (server) => {
      expect((await running.get({ 'transfer-encoding': 'chunked' }, { body: 'x' })).status).toBe(502);
      expect(server.requests).toBe(2);
    });
  });

  it('gets a GET once more after a first one was answered, and once more if it comes back', async () => {
    await withServer(diesLater, async (server) => {
      expect((await running.get()).status).toBe(200);
      // The kept connection, then a fresh one, whose first request is answered.
      expect((await running.get()).status).toBe(200);
      expect(server.requests).toBe(3);
    });
  });
});

describe('a request with a token that expires', () => {
  const expiring = (port: number, ms: number) =>
    allow({
      destination: `127.0.0.1:${port}`,
      headers: { 'x-envoy-upstream-stream-duration-ms': String(ms) },
    });

  it('is not sent again when it has expired', async () => {
    for (const method of [...KEPT, ...FRESH]) {
      await withServer(
        () => {},
        async (server) => {
          gate.answer = () => expiring(server.port, 50);
          expect((await running.get({}, { method })).status).toBe(403);
          expect(server.requests).toBe(1);
        },
      );
    }
  });

  it('is not lost to a server that closes connections, as the time left differs from one to the next', async () => {
    await withServer(
      (socket, nth) => void (nth === 1 ? socket.write(OK) : socket.destroy()),
      async (server) => {
        for (let ms = 60_000; ms > 59_990; ms--) {
          gate.answer = () => expiring(server.port, ms);
          expect((await running.get()).status).toBe(200);
        }
      },
    );
  });
});

it('a connection never serves another port of the same sandbox, whichever way requests take', async () => {
  const servers = await Promise.all(Array.from({ length: 4 }, () => startRecorder()));
  for (const server of servers) server.answer = (_request, response) => response.end(String(server.port));
  gate.answer = (request) =>
    allow({ destination: `127.0.0.1:${request.attributes.request.http.host.split('-')[0]}` });
  const ways: [string, Record<string, string>, string][] = [
    ['GET', {}, ''],
    ['POST', { 'content-length': '1' }, 'x'],
    ['POST', { 'transfer-encoding': 'chunked' }, 'x'],
  ];
  const all = Array.from({ length: 96 }, async (_, n) => {
    const server = servers[n % servers.length]!;
    const [method, headers, body] = ways[n % ways.length]!;
    const reply = await running.get(
      { ...headers, host: `${server.port}-abc.e2b.localhost` },
      { method, body },
    );
    expect(reply).toMatchObject({ status: 200, body: String(server.port) });
  });
  await Promise.all(all);
  await Promise.all(servers.map((server) => server.close()));
});
