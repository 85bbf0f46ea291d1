import { mkdirSync } from 'node:fs';
import { createServer, type Http2Session, type ServerHttp2Stream } from 'node:http2';
import { dirname } from 'node:path';

/** A protobuf field: length-delimited for bytes or text, a varint below 128 for a number. */
export function field(number: number, value: Buffer | string | number): Buffer {
  if (typeof value === 'number') return Buffer.from([number << 3, value]);
  const bytes = Buffer.from(value);
  const length: number[] = [];
  for (let rest = bytes.length; ; rest >>>= 7) {
    length.push(rest > 127 ? (rest & 127) | 128 : rest);
    if (rest <= 127) break;
  }
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), bytes]);
}

/** A gRPC message with its five-byte prefix. */
export function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

type Answer = (stream: ServerHttp2Stream) => void;

/** A server on the gate's socket that passes its health check and answers Check with given bytes. */
export interface RogueGate {
  answer: Answer;
  asked(): number;
  close(): Promise<void>;
}

const CHECK = '/envoy.service.auth.v3.Authorization/Check';
const SERVING = field(1, 1);

/** `bytes` as the whole answer, in well-formed gRPC and HTTP/2. */
export function reply(bytes: Buffer, trailers: Record<string, string> = { 'grpc-status': '0' }): Answer {
  return (stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.once('wantTrailers', () => stream.sendTrailers(trailers));
    stream.end(bytes);
  };
}

export async function startRogueGate(socket: string): Promise<RogueGate> {
  let asked = 0;
  const sessions = new Set<Http2Session>();
  const rogue: RogueGate = {
    answer: reply(framed(Buffer.alloc(0))),
    asked: () => asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const session of sessions) session.destroy();
      }),
  };
  const server = createServer();
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    session.on('error', () => {});
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    stream.resume();
    stream.once('end', () => {
      if (headers[':path'] !== CHECK) return reply(framed(SERVING))(stream);
      asked++;
      rogue.answer(stream);
    });
  });
  mkdirSync(dirname(socket), { recursive: true });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(socket, resolve));
  return rogue;
}
