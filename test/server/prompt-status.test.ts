import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { Client, type ClientUnaryCall, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import type { CheckHandler } from '../../src/check/handler.ts';
import { CHECK_SERVICE, startCheckServer } from '../../src/server/check-server.ts';
import { PATIENCE_MS } from '../stack/patience.ts';

const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function serve(handler: CheckHandler): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'sandgate-answer-'));
  undo.push(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'gate.sock');
  const server = await startCheckServer({ path, access: 'group' }, handler);
  undo.push(() => server.close(0));
  return path;
}

const raw = (bytes: Buffer) => bytes;
const patiently = { timeout: PATIENCE_MS, interval: 5 };

/** Server and client live in this process, so whatever one of them has to do is done after some turns of its event loop. */
async function turns(): Promise<void> {
  for (let left = 20; left > 0; left--) await turn();
}

function clientOf(path: string): (request: Buffer) => Promise<Buffer> {
  const client = new Client(`unix:${path}`, credentials.createInsecure());
  undo.push(() => client.close());
  return (request) =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(`/${CHECK_SERVICE}/Check`, raw, raw, request, (error, answer) =>
        answer === undefined ? reject(error) : resolve(answer),
      );
    });
}

/** A frame of HTTP/2: its length in three bytes, its type, its flags, its stream in four. */
function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.from([0, 0, 0, type, flags, 0, 0, 0, stream]);
  head.writeUIntBE(payload.length, 0, 3);
  return Buffer.concat([head, payload]);
}

/** A literal header of HPACK, never indexed. */
const literal = (name: string, value: string) =>
  Buffer.concat([
    Buffer.from([0x10, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value),
  ]);

/** Those of one stream. */
function framesOf(bytes: Buffer, stream: number): string[] {
  const found: string[] = [];
  for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
    if (bytes.readUInt32BE(at + 5) !== stream) continue;
    const name = bytes[at + 3] === 1 ? 'HEADERS' : bytes[at + 3] === 0 ? 'DATA' : `type ${bytes[at + 3]}`;
    found.push((bytes[at + 4]! & 1) === 1 ? `${name} ends` : name);
  }
  return found;
}

/** A connection that speaks HTTP/2 by hand, and what has come over it. */
async function speak(path: string) {
  const socket = connect(path);
  undo.push(() => void socket.destroy());
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  // SETTINGS_INITIAL_WINDOW_SIZE, and as much for the connection: only the socket holds anything back.
  socket.write(frame(4, 0, 0, Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff])));
  socket.write(frame(8, 0, 0, Buffer.from([0x7f, 0, 0, 0])));
  await expect.poll(() => chunks.length, patiently).toBeGreaterThan(0);
  socket.write(frame(4, 1, 0, Buffer.alloc(0)));
  const headers = Buffer.concat([
    literal(':method', 'POST'),
    literal(':scheme', 'http'),
    literal(':path', `/${CHECK_SERVICE}/Check`),
    literal(':authority', 'gate'),
    literal('content-type', 'application/grpc'),
    literal('te', 'trailers'),
  ]);
  const message = Buffer.from([0, 0, 0, 0, 1, 0x78]);
  return {
    socket,
    framesOf: (stream: number) => framesOf(Buffer.concat(chunks), stream),
    ask: (...streams: number[]) =>
      socket.write(
        Buffer.concat(
          streams.flatMap((stream) => [frame(1, 4, stream, headers), frame(0, 1, stream, message)]),
        ),
      ),
  };
}

test('the status follows the message, and nothing comes after it', async () => {
  const { ask, framesOf: seen } = await speak(await serve(() => Buffer.from('the answer')));
  ask(1, 3, 5);
  for (const stream of [1, 3, 5]) {
    await expect.poll(() => seen(stream), patiently).toEqual(['HEADERS', 'DATA', 'HEADERS ends']);
  }
  ask(7);
  await expect.poll(() => seen(7), patiently).toEqual(['HEADERS', 'DATA', 'HEADERS ends']);
});

test('no trailer is lost to a reader that holds everything up', async () => {
  let asked = 0;
  const path = await serve(() => {
    asked++;
    return Buffer.alloc(200_000, 'x');
  });
  const { socket, ask, framesOf: seen } = await speak(path);
  const streams = Array.from({ length: 60 }, (_, n) => 2 * n + 1);
  socket.pause();
  ask(...streams.slice(0, 30));
  await expect.poll(() => asked, patiently).toBe(30);
  await turns();
  // Their 6 MB do not fit into the socket: these meet a server that is held up.
  ask(...streams.slice(30));
  await turns();
  socket.resume();
  for (const stream of streams) {
    await expect.poll(() => seen(stream), patiently).toContain('HEADERS ends');
    expect(seen(stream).filter((name) => name === 'DATA').length).toBeGreaterThan(10);
  }
});

test('answers of any length arrive whole, at once or later', async () => {
  let laterIsNow = () => {};
  const later = new Promise<void>((resolve) => {
    laterIsNow = resolve;
  });
  const path = await serve((request) => {
    const answer = Buffer.alloc(request.readUInt32BE(0), 'x');
    return request.length === 5 ? answer : later.then(() => answer);
  });
  const ask = clientOf(path);
  const lengths = [0, 1, 300, 16_384, 65_535, 65_536, 500_000];
  const asking = (size: number) =>
    lengths.map(async (length) => {
      const request = Buffer.alloc(size);
      request.writeUInt32BE(length);
      expect((await ask(request)).length).toBe(length);
    });
  const held = asking(6);
  await Promise.all(asking(5));
  laterIsNow();
  await Promise.all(held);
});

test('a refusal has its status, and others go on', async () => {
  const path = await serve((request) => {
    if (request.length === 1) throw new Error('no CheckRequest');
    return request;
  });
  const ask = clientOf(path);
  const refused = Array.from({ length: 50 }, () => ask(Buffer.alloc(1)));
  const answered = Array.from({ length: 50 }, () => ask(Buffer.from('fine')));
  for (const one of refused) {
    await expect(one).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
  }
  expect(new Set((await Promise.all(answered)).map(String))).toEqual(new Set(['fine']));
});

test('a caller that has gone away costs nobody else an answer', async () => {
  let answerIt = () => {};
  const path = await serve((request) => {
    if (request.length !== 1) return request;
    call.cancel();
    return new Promise((resolve) => {
      answerIt = () => resolve(request);
    });
  });
  const client = new Client(`unix:${path}`, credentials.createInsecure());
  undo.push(() => client.close());
  const check = (request: Buffer, done: (error: ServiceError | null, answer?: Buffer) => void) =>
    client.makeUnaryRequest(`/${CHECK_SERVICE}/Check`, raw, raw, request, done);
  let call: ClientUnaryCall;
  const cancelled = await new Promise((resolve) => {
    call = check(Buffer.alloc(1), (error) => resolve(error?.code));
  });
  expect(cancelled).toBe(status.CANCELLED);
  // On the same connection, so the server knows of the cancellation by then.
  const next = () =>
    new Promise((resolve) => check(Buffer.from('fine'), (_, answer) => resolve(String(answer))));
  expect(await next()).toBe('fine');
  answerIt();
  await turns();
  expect(await next()).toBe('fine');
  expect(String(await clientOf(path)(Buffer.from('fine')))).toBe('fine');
});
