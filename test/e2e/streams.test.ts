import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request as httpRequest, type RequestListener, type Server } from 'node:http';
import type { Duplex, Readable, Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { http2Session } from '../stack/client.ts';
import {
  hostOf,
  publicSandbox,
  restricted,
  startTestStack,
  type TestStack,
  TOKEN,
} from '../stack/test-stack.ts';
import { askLateServer } from './late-server.ts';

let stack: TestStack;
let server: Server;
let respond: RequestListener;

beforeAll(async () => {
  server = createServer((request, response) => respond(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack = await startTestStack();
  await stack.put(publicSandbox('abc'), restricted('locked'));
});

afterAll(async () => {
  await stack?.stop();
  server?.closeAllConnections();
  server?.close();
});

const portOf = (listening: Server) => (listening.address() as { port: number }).port;

/** The client's side of a request: what it writes to, what it reads from after the response headers, and how it ends. */
interface Exchange {
  up: Writable;
  down: Promise<Readable>;
  end(): void;
}

const WIRES: readonly [name: string, open: (headers?: Record<string, string>) => Promise<Exchange>][] = [
  [
    'HTTP/1.1',
    async (headers = {}) => {
      const { host, port } = stack.http;
      const own = { host: hostOf(portOf(server), 'abc'), ...headers };
      const up = httpRequest({ host, port, method: 'POST', headers: own, agent: false });
      up.flushHeaders();
      return { up, down: once(up, 'response').then(([response]) => response), end: () => up.destroy() };
    },
  ],
  [
    'HTTP/2',
    async (headers = {}) => {
      const session = await http2Session(stack.http);
      const up: Duplex = session.request(
        { ':method': 'POST', ':path': '/', ':authority': hostOf(portOf(server), 'abc'), ...headers },
        { endStream: false },
      );
      return { up, down: once(up, 'response').then(() => up), end: () => session.destroy() };
    },
  ],
];

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe.each(WIRES)('over %s', (_, open) => {
  it('passes each server-sent event on as it comes', async () => {
    let send: (event: string) => void = () => {};
    respond = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      send = (event) => void response.write(`data: ${event}\n\n`);
    };
    const { up, down, end } = await open();
    up.end();
    const events = (await down)[Symbol.asyncIterator]();
    // Each event is sent after the one before has arrived: if Envoy buffered the stream, this would never end.
    for (const event of ['one', 'two', 'three']) {
      send(event);
      expect(String((await events.next()).value)).toBe(`data: ${event}\n\n`);
    }
    end();
  });

  it('passes data on in both directions at the same time', async () => {
    respond = (request, response) => {
      response.flushHeaders();
      request.pipe(response);
    };
    const { up, down, end } = await open();
    const echoes = (await down)[Symbol.asyncIterator]();
    for (const word of ['one', 'two', 'three']) {
      up.write(word);
      expect(String((await echoes.next()).value)).toBe(word);
    }
    up.end();
    expect((await echoes.next()).done).toBe(true);
    end();
  });

  const large = randomBytes(12 * 1024 * 1024 + 1);

  it.each([
    ['of known length', { 'content-length': String(large.length) }],
    ['of unknown length', {}],
  ])('passes a large body %s up and down, byte for byte', async (_length, headers) => {
    let arrived = '';
    respond = async (request, response) => {
      const body = Buffer.concat(await request.toArray());
      arrived = sha256(body);
      response.writeHead(200, headers);
      response.end(body);
    };
    const { up, down, end } = await open(headers);
    up.end(large);
    const returned = Buffer.concat(await (await down).toArray());
    expect(arrived).toBe(sha256(large));
    expect(sha256(returned)).toBe(arrived);
    end();
  });
});

describe('a server that starts after the request for it', () => {
  it.concurrent.each([
    ['a public sandbox', 500, 'abc', {}],
    ['a public sandbox', 600, 'abc', {}],
    ['a restricted sandbox', 600, 'locked', { 'e2b-traffic-access-token': TOKEN }],
  ] as const)('in %s is reached if it is %i ms late, and gets the body', async (_, late, id, headers) => {
    const request = (port: number) => ({ host: hostOf(port, id), headers, method: 'POST', body: 'kept' });
    const { answered, arrivals } = await askLateServer(stack.http, request, late);
    expect(answered).toMatchObject({ status: 200, body: 'hello' });
    expect(arrivals).toMatchObject([{ method: 'POST', body: 'kept' }]);
  });
});
