import { createServer, type Server, request as sendRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { http2Session } from '../stack/client.ts';
import { closedPort } from '../stack/closed-port.ts';
import { PATIENCE_MS } from '../stack/patience.ts';
import { patient } from '../stack/patient-config.ts';
import { type RunningEnvoy, startRunningEnvoy } from './running-envoy.ts';
import { allow, type StubGate, startStubGate } from './stub-gate.ts';

let running: RunningEnvoy;
let gate: StubGate;
beforeAll(async () => {
  running = await startRunningEnvoy({}, patient);
  gate = await startStubGate(running.gateSocket);
  gate.answer = (request) =>
    allow({ destination: `127.0.0.1:${request.attributes.request.http.host.split('-')[0]}` });
  await running.envoy.waitForGate(PATIENCE_MS);
});
afterAll(async () => {
  await running?.stop();
  gate?.close();
});

interface Uploaded {
  status: number;
  body: string;
}

const hostOf = (port: number) => `${port}-abc.e2b.localhost`;

function overHttp1(port: number, size: number, sized: boolean): Promise<Uploaded> {
  return new Promise((resolve, reject) => {
    const length = sized ? { 'content-length': size } : {};
    const upload = sendRequest(
      {
        port: running.port,
        host: '127.0.0.1',
        method: 'POST',
        agent: false,
        headers: { host: hostOf(port), ...length },
      },
      (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => {
          body += text;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      },
    );
    upload.on('error', reject);
    upload.write(Buffer.alloc(size));
    upload.end();
  });
}

async function overHttp2(port: number, size: number, sized: boolean): Promise<Uploaded> {
  const session = await http2Session({ host: '127.0.0.1', port: running.port });
  const length = sized ? { 'content-length': String(size) } : {};
  const stream = session.request({ ':method': 'POST', ':authority': hostOf(port), ...length });
  return new Promise<Uploaded>((resolve, reject) => {
    const uploaded = { status: 0, body: '' };
    stream.on('response', (headers) => {
      uploaded.status = Number(headers[':status']);
    });
    stream.setEncoding('utf8').on('data', (text: string) => {
      uploaded.body += text;
    });
    stream.on('end', () => resolve(uploaded));
    stream.on('error', reject);
    stream.end(Buffer.alloc(size));
  }).finally(() => session.destroy());
}

const SIZES = [10_000, 200_000, 300_000, 5_000_000];

const ways = [true, false].flatMap((sized) =>
  [overHttp1, overHttp2].map((send) => ({
    send,
    sized,
    title: `${send.name}, ${sized ? 'a' : 'no'} length`,
  })),
);

async function refused(): Promise<number> {
  const fresh = await running.stat('cluster.sandbox_fresh.upstream_cx_connect_fail');
  return fresh + (await running.stat('cluster.sandbox_tcp.upstream_cx_connect_fail'));
}

/** Answers with the number of bytes that arrived. */
async function startCounter(port: number): Promise<Server> {
  const server = createServer((request, response) => {
    let length = 0;
    request.on('data', (part: Buffer) => {
      length += part.length;
    });
    request.on('end', () => response.end(`got ${length}`));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return server;
}

/** By the contract, a server may start this late at least. */
const GIVEN_MS = 1000;

describe('uploads with a length and without, over HTTP/1.1 and HTTP/2', () => {
  it.each(SIZES)('of %i bytes wait for a server that starts late', async (size) => {
    // On a slow machine, servers may start later than they must be waited for.
    for (let tookMs = GIVEN_MS; tookMs >= GIVEN_MS; ) {
      const ports = await Promise.all(ways.map(closedPort));
      const before = await refused();
      const sentAt = performance.now();
      const pending = Promise.all(ways.map(({ send, sized }, n) => send(ports[n]!, size, sized)));
      await expect
        .poll(refused, { interval: 5, timeout: PATIENCE_MS })
        .toBeGreaterThanOrEqual(before + ways.length);
      const servers = await Promise.all(ports.map(startCounter));
      tookMs = performance.now() - sentAt;
      const answers = (await pending).map(({ status, body }, n) => `${ways[n]!.title}: ${status} ${body}`);
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
      }
      if (tookMs < GIVEN_MS) expect(answers).toEqual(ways.map(({ title }) => `${title}: 200 got ${size}`));
    }
  });

  it('get the closed-port answer if none starts, after they waited', async () => {
    const before = await refused();
    const all = SIZES.flatMap((size) => ways.map(({ send, sized }) => ({ send, sized, size })));
    const answers = await Promise.all(
      all.map(async ({ send, size, sized }) => send(await closedPort(), size, sized)),
    );
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 502, body: expect.stringContaining('port is not open') });
    }
    expect(await refused()).toBeGreaterThan(before + 10 * all.length);
  });
});

it('an answer that comes before the end of an upload arrives', async () => {
  const early = createServer((_request, response) => response.writeHead(413).end('too much'));
  await new Promise<void>((resolve) => early.listen(0, '127.0.0.1', resolve));
  const { port } = early.address() as { port: number };
  expect(await overHttp2(port, 5_000_000, false)).toEqual({ status: 413, body: 'too much' });
  early.closeAllConnections();
  early.close();
});
