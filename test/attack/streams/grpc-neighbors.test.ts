import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, createServer, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { http2Session } from '../../stack/client.ts';
import { hostOf } from '../../stack/test-stack.ts';
import { openScene, type Scene } from '../scene.ts';

let scene: Scene;
let sandbox: Http2Server;
let host: string;
beforeAll(async () => {
  scene = await openScene();
  const open = await scene.public('open');
  sandbox = createServer();
  sandbox.on('stream', (stream, { ':path': path }) => {
    stream.on('error', () => {});
    stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () =>
      stream.sendTrailers({ 'grpc-status': '0', 'x-sandgate-reason': 'token_invalid', 'x-own': 'kept' }),
    );
    stream.end(path === '/long' ? Buffer.alloc(4_000_000) : 'hello');
  });
  await new Promise<void>((resolve) => sandbox.listen(0, open.address, resolve));
  host = hostOf((sandbox.address() as AddressInfo).port, 'open');
});
afterAll(async () => {
  await scene?.close();
  sandbox?.close();
});

function call(session: ClientHttp2Session, path: string): ClientHttp2Stream {
  const stream = session.request({
    ':method': 'POST',
    ':authority': host,
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.on('error', () => {});
  stream.end();
  return stream;
}

/** Reads one short answer to its end. */
async function answerOn(session: ClientHttp2Session) {
  const stream = call(session, '/short');
  let body = '';
  let trailers = {};
  stream.setEncoding('utf8').on('data', (text: string) => {
    body += text;
  });
  stream.on('trailers', (headers) => {
    trailers = headers;
  });
  const [headers] = await once(stream, 'response');
  await once(stream, 'end');
  return { status: headers[':status'], body, trailers };
}

it('B12: gRPC answers that one client does not read hold up no other client of the sandbox', async () => {
  const victim = await http2Session(scene.stack.http);
  const attacker = await http2Session(scene.stack.http);
  expect(await answerOn(victim)).toMatchObject({ status: 200, body: 'hello' });
  // Node's server refuses further streams of a connection for which it holds 10 MB.
  const unread = Array.from({ length: 40 }, () => call(attacker, '/long'));
  await Promise.all(unread.map((stream) => once(stream, 'response')));
  expect(await answerOn(victim)).toMatchObject({ status: 200, body: 'hello' });
  attacker.destroy();
  victim.destroy();
});

it('C6: a gRPC sandbox cannot speak for the gate in trailers', async () => {
  const session = await http2Session(scene.stack.http);
  const { trailers } = await answerOn(session);
  session.destroy();
  expect(trailers).toMatchObject({ 'grpc-status': '0', 'x-own': 'kept' });
  expect(trailers).not.toHaveProperty('x-sandgate-reason');
});
