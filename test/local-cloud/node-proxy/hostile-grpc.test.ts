import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { frame } from '../../../bench/attack/http2-frame.mjs';
import { acceptGrpc } from '../../../local-cloud/node-proxy/grpc-proxy.ts';
import { encodeFields, type Field } from '../../attack/raw-http2.ts';

const [DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY] = [0, 1, 3, 4, 6, 7];
const [END_STREAM, END_HEADERS] = [1, 4];

const undo: (() => unknown)[] = [];
afterEach(() => {
  for (const step of undo.splice(0)) step();
});

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** How a call ends whose sandbox answers with these bytes. */
async function callTo(frames: readonly Buffer[]): Promise<string> {
  const sandbox = await listening(
    createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.write(Buffer.concat(frames)));
    }),
  );
  const proxy = createHttpServer();
  undo.push(
    acceptGrpc(
      proxy,
      () => ({ sandboxId: 'a', port: 80, domain: undefined, from: 'host' }),
      async () => ({ socket: connect(sandbox, '127.0.0.1'), port: 80, mask: undefined }),
    ),
  );
  const session = connectHttp2(`http://127.0.0.1:${await listening(proxy)}`);
  undo.push(() => session.destroy());
  session.on('error', () => {});
  const call = session.request({ ':method': 'POST', ':path': '/' });
  call.on('error', () => {}).end('question');
  call.resume();
  let answered = '';
  call.on('response', (headers) => {
    answered = `${headers[':status']}, `;
  });
  await new Promise((resolve) => call.once('close', resolve));
  return answered + (call.rstCode === 0 ? 'closed' : 'reset');
}

const head = (fields: readonly Field[], flags = END_HEADERS) =>
  frame(HEADERS, flags, 1, encodeFields(fields));

const HELLO = frame(SETTINGS, 0, 0, Buffer.alloc(0));

it.each<[what: string, frames: Buffer[], ends: string]>([
  ['a status of 600', [HELLO, head([[':status', '600']], END_HEADERS | END_STREAM)], 'reset'],
  [
    'a status of 999 and a body',
    [HELLO, head([[':status', '999']]), frame(DATA, END_STREAM, 1, Buffer.from('a'))],
    'reset',
  ],
  ['a status that is no number', [HELLO, head([[':status', 'abc']], END_HEADERS | END_STREAM)], 'reset'],
  [
    'a pseudo-header in the trailers',
    [HELLO, head([[':status', '200']]), head([[':status', '200']], END_HEADERS | END_STREAM)],
    '200, reset',
  ],
  ['GOAWAY at once', [HELLO, frame(GOAWAY, 0, 0, Buffer.alloc(8))], 'reset'],
  ['no HTTP/2', [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')], 'reset'],
])('B14: a sandbox that answers a gRPC call with %s costs that call only', async (_what, frames, ends) => {
  expect(await callTo(frames)).toBe(ends);
});

it('a call that is reset before it is refused costs nothing', async () => {
  const proxy = createHttpServer();
  undo.push(
    acceptGrpc(
      proxy,
      () => undefined,
      async () => undefined,
    ),
  );
  const port = await listening(proxy);
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  const settings = frame(SETTINGS, 0, 0, Buffer.alloc(0));
  const call = head([
    [':method', 'POST'],
    [':path', '/'],
    [':scheme', 'http'],
    [':authority', 'a'],
  ]);
  const reset = frame(RST_STREAM, 0, 1, Buffer.from([0, 0, 0, 8]));
  const client = connect(port, '127.0.0.1');
  undo.push(() => client.destroy());
  client.write(Buffer.concat([preface, settings, call, reset, frame(PING, 0, 0, Buffer.alloc(8))]));
  // The answer to the last frame shows that the call was handled.
  const answer = frame(PING, 1, 0, Buffer.alloc(8));
  let received = Buffer.alloc(0);
  for await (const bytes of client) {
    received = Buffer.concat([received, bytes]);
    if (received.includes(answer)) break;
  }
});
