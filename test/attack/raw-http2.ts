import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { connect } from 'node:net';
import { frame } from '../../bench/attack/http2-frame.mjs';
import type { Address } from '../../src/address.ts';

export type Field = readonly [name: string, value: string];

/** The response on the only stream of a connection. */
export interface RawAnswer {
  /** Response DATA, as latin1. */
  body: string;
  /** `end` if the stream was answered, otherwise how it was refused. */
  ended: 'end' | 'reset' | 'goaway' | 'close';
}

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const GOAWAY = 7;
const END_STREAM = 1;
const END_HEADERS = 4;

/**
 * Sends one request with an arbitrary field list, which HTTP/2 libraries would refuse: fields are written in this order,
 * names and values byte for byte (latin1). `trailers` follow the body in a separate HEADERS frame.
 */
export function askRawHttp2(
  ingress: Address,
  fields: readonly Field[],
  rest: { body?: string; trailers?: readonly Field[] } = {},
): Promise<RawAnswer> {
  const { body, trailers } = rest;
  const parts = [frame(HEADERS, END_HEADERS | (body || trailers ? 0 : END_STREAM), 1, encodeFields(fields))];
  if (body) parts.push(frame(DATA, trailers ? 0 : END_STREAM, 1, Buffer.from(body, 'latin1')));
  if (trailers) parts.push(frame(HEADERS, END_HEADERS | END_STREAM, 1, encodeFields(trailers)));
  return new Promise((resolve, reject) => {
    const socket = connect(ingress.port, ingress.host);
    let pending = Buffer.alloc(0);
    let text = '';
    const finish = (ended: RawAnswer['ended']) => {
      socket.destroy();
      resolve({ body: text, ended });
    };
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' ? finish('close') : reject(error),
    );
    socket.on('close', () => finish('close'));
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= 9 && pending.length >= 9 + pending.readUIntBE(0, 3)) {
        const length = pending.readUIntBE(0, 3);
        const [type, flags] = [pending[3], pending[4]!];
        if (type === DATA) text += pending.toString('latin1', 9, 9 + length);
        if ((type === DATA || type === HEADERS) && flags & END_STREAM) return finish('end');
        if (type === RST_STREAM) return finish('reset');
        if (type === GOAWAY) return finish('goaway');
        pending = pending.subarray(9 + length);
      }
    });
    socket.write(Buffer.concat([Buffer.from(PREFACE), frame(SETTINGS, 0, 0, Buffer.alloc(0)), ...parts]));
  });
}

/** HPACK, each field a literal without indexing and without Huffman. */
export function encodeFields(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), literal(name), literal(value)]));
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  const length: number[] = [];
  let rest = bytes.length - 127;
  if (rest < 0) length.push(bytes.length);
  else {
    length.push(127);
    for (; rest > 127; rest >>>= 7) length.push((rest & 127) | 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}

/** WebSocket over HTTP/2 (RFC 8441). Resolves with the status and the stream, which stays open. */
export function extendedConnect(
  session: ClientHttp2Session,
  host: string,
  headers: Record<string, string | string[]> = {},
): Promise<{ status: number; stream: ClientHttp2Stream }> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':scheme': 'http',
      ':path': '/',
      ':authority': host,
      'sec-websocket-version': '13',
      ...headers,
    });
    stream.once('error', reject);
    stream.once('response', (answered) => resolve({ status: Number(answered[':status']), stream }));
  });
}

/** A WebSocket text frame from a client, masked with zeroes; under 126 bytes. */
export function textFrame(text: string): Buffer {
  return Buffer.concat([Buffer.of(0x81, 0x80 | text.length, 0, 0, 0, 0), Buffer.from(text)]);
}
