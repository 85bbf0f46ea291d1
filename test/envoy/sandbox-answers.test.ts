import { connect as connectHttp2 } from 'node:http2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askRaw } from '../stack/client.ts';
import { PATIENCE_MS } from '../stack/patience.ts';
import { patient } from '../stack/patient-config.ts';
import { type RawServer, startRawServer } from './raw-server.ts';
import { type RunningEnvoy, startRunningEnvoy } from './running-envoy.ts';
import { allow, type StubGate, startStubGate } from './stub-gate.ts';

/** What the sandbox's server writes, and whether it then closes; the table of docs/proxying.md in the same order. */
let bytes = '';
let closes = false;
let server: RawServer;
let running: RunningEnvoy;
let gate: StubGate;

beforeAll(async () => {
  running = await startRunningEnvoy({}, patient);
  gate = await startStubGate(running.gateSocket);
  server = await startRawServer((socket) => {
    socket.write(bytes, 'latin1');
    if (closes) socket.end();
  });
  await running.envoy.waitForGate(PATIENCE_MS);
});
afterAll(async () => {
  await running?.stop();
  gate?.close();
  await server?.close();
});

const HOST = '8080-abc.e2b.localhost';
let pools = 0;

interface Seen {
  status: number;
  /** Lower-case names and values in order. */
  headers: [string, string][];
  body: string;
  /** Whether the answer was complete. */
  whole: boolean;
}

type Ask = (method: string) => Promise<Seen>;

async function overHttp1(method: string): Promise<Seen> {
  const request = `${method} / HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n\r\n`;
  const text = await askRaw({ host: '127.0.0.1', port: running.port }, request);
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [statusLine = '', ...lines] = head.split('\r\n');
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
  const body = rest.join('\r\n\r\n');
  const chunked = headers.some(([name]) => name === 'transfer-encoding');
  const length = Number(headers.find(([name]) => name === 'content-length')?.[1] ?? body.length);
  const whole = chunked
    ? method === 'HEAD' || body.endsWith('0\r\n\r\n')
    : method === 'HEAD' || body.length === length;
  const unchunked = chunked ? body.replace(/^[0-9a-f]+\r\n/, '').replace(/\r\n(0\r\n\r\n)?$/, '') : body;
  return { status: Number(statusLine.split(' ')[1]), headers, body: unchunked, whole };
}

function overHttp2(method: string): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`http://127.0.0.1:${running.port}`, { maxHeaderListPairs: 4000 });
    session.on('error', reject);
    const stream = session.request({ ':method': method, ':authority': HOST });
    const seen: Seen = { status: 0, headers: [], body: '', whole: false };
    stream.on('response', (answered) => {
      seen.status = Number(answered[':status']);
      for (const [name, value] of Object.entries(answered)) {
        for (const one of [value].flat()) seen.headers.push([name, String(one)]);
      }
    });
    stream.setEncoding('latin1').on('data', (text: string) => {
      seen.body += text;
    });
    stream.on('end', () => {
      seen.whole = true;
    });
    stream.on('error', () => {
      seen.whole = false;
    });
    stream.on('close', () => {
      session.destroy();
      resolve(seen);
    });
    stream.end();
  });
}

const WIRES: [string, Ask][] = [
  ['HTTP/1.1', overHttp1],
  ['HTTP/2', overHttp2],
];

async function answered(
  ask: Ask,
  over: { written: string; thenCloses?: boolean; method?: string },
): Promise<Seen> {
  bytes = over.written;
  closes = over.thenCloses ?? false;
  gate.answer = () => allow({ destination: `127.0.0.1:${server.port}`, poolKey: `abc/${pools++}` });
  return ask(over.method ?? 'GET');
}

const ok = (...lines: string[]) =>
  `${['HTTP/1.1 200 OK', ...lines, 'Content-Length: 2'].join('\r\n')}\r\n\r\nok`;
const chunked = (...lines: string[]) =>
  `${['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', ...lines].join('\r\n')}\r\n\r\n2\r\nok\r\n0\r\n\r\n`;
const numbered = (count: number) => Array.from({ length: count }, (_, n) => `x-${n}: ${n}`);
const empty = (status: string, ...lines: string[]) =>
  `${[`HTTP/1.1 ${status}`, ...lines].join('\r\n')}\r\n\r\n`;

describe.each(WIRES)('a client of %s receives', (_wire, ask) => {
  it.each<[string, string, boolean?]>([
    ['a length', ok()],
    ['chunks', chunked()],
    ['chunks with an extension', chunked().replace('2\r\n', '2;a=b\r\n')],
    ['chunks and a length that differs', chunked('Content-Length: 7')],
    ['a length before chunks', `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${chunked().slice(17)}`],
    ['trailers', chunked().replace('0\r\n\r\n', '0\r\nx-t: 1\r\n\r\n')],
    ['no length, and the end of the connection', 'HTTP/1.1 200 OK\r\n\r\nok', true],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\n\r\nok', true],
    ['HTTP/1.0 with keep-alive', ok('Connection: keep-alive').replace('1.1', '1.0')],
    ['a body longer than its length', `${ok()}more`],
    ['900 headers', ok(...numbered(900))],
    ['a header of 90 KB', ok(`x: ${'a'.repeat(90_000)}`)],
    ['150 cookies', ok(...numbered(150).map((text) => `set-cookie: ${text.replace(': ', '=')}`))],
    [
      'an informational answer first',
      `${empty('103 Early Hints', 'link: </a>')}${empty('100 Continue')}${ok()}`,
    ],
    ['no reason phrase', ok().replace(' OK', '')],
    ['lines that end in LF', ok().replaceAll('\r\n', '\n')],
    ['a folded line', ok('x: a', ' b')],
    ['a name with every character that a token may have', ok("!#$%&'*+-.^_`|~9: b")],
    ['a value with bytes above 127', ok('x: \xfc')],
  ])('an answer with %s', async (_, written, thenCloses) => {
    const seen = await answered(ask, { written, thenCloses: thenCloses ?? false });
    expect(seen).toMatchObject({ status: 200, body: 'ok', whole: true });
    const length = seen.headers.filter(([name]) => name === 'content-length');
    const coding = seen.headers.filter(([name]) => name === 'transfer-encoding');
    expect(length.length + coding.length).toBeLessThanOrEqual(1);
  });

  it.each(['200 OK', '404 Not Found', '426 Upgrade Required', '500 Oh', '599 No', '600 No', '999 No'])(
    'the status %s',
    async (line) => {
      const seen = await answered(ask, { written: empty(line, 'Content-Length: 0') });
      expect(seen.status).toBe(Number(line.slice(0, 3)));
    },
  );

  it.each([
    ['204 No Content', []],
    ['204 No Content', ['Content-Length: 0']],
    ['205 Reset Content', ['Content-Length: 0']],
    ['304 Not Modified', ['Content-Length: 1234']],
    ['304 Not Modified', ['Transfer-Encoding: chunked']],
  ])('%s with %j, which has no body', async (line, lines) => {
    const seen = await answered(ask, { written: empty(line, ...lines) });
    expect(seen).toMatchObject({ status: Number(line.slice(0, 3)), body: '' });
  });

  it('the length of a HEAD', async () => {
    const seen = await answered(ask, { written: empty('200 OK', 'Content-Length: 1234'), method: 'HEAD' });
    expect(seen).toMatchObject({ status: 200, body: '', whole: true });
    expect(seen.headers).toContainEqual(['content-length', '1234']);
  });

  it("the server's own Server, Date, Via, Content-Encoding and cookies unchanged", async () => {
    const own = [
      'server: me',
      'date: then',
      'via: 1.1 x',
      'content-encoding: gzip',
      'set-cookie: a',
      'set-cookie: b',
    ];
    const { headers } = await answered(ask, { written: ok(...own) });
    for (const line of own) expect(headers).toContainEqual(line.split(': '));
    expect(headers.filter(([name]) => name.startsWith('x-'))).toEqual([]);
  });

  it.each<[string, string, boolean?]>([
    ['two codings', chunked('Transfer-Encoding: chunked')],
    ['another coding', chunked().replace('chunked', 'gzip, chunked')],
    ['two lengths', ok('Content-Length: 2')],
    ['a length that is none', ok().replace(': 2', ': two')],
    ['204 with a length', empty('204 No Content', 'Content-Length: 2')],
    ['204 with chunks', `${empty('204 No Content', 'Transfer-Encoding: chunked')}0\r\n\r\n`],
    ['1,001 headers', ok(...numbered(1001))],
    ['headers of 100 KB', ok(`x: ${'a'.repeat(100_000)}`)],
    ['a space before the colon', ok('x : b')],
    ['a space in a name', ok('x y: b')],
    ['a bracket in a name', ok('x(y): b')],
    ['a line without a colon', ok('nothing')],
    ['a control character', ok('x: a\x01b')],
    ['a NUL', ok('x: a\0b')],
    ['a status below 100', ok().replace('200', '099')],
    ['an empty line first', `\r\n${ok()}`],
    ['HTTP/0.9', 'hello', true],
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n', true],
  ])('a 502 for an answer that cannot be read: %s', async (_, written, thenCloses) => {
    const before = server.requests;
    const seen = await answered(ask, { written, thenCloses: thenCloses ?? false });
    expect(seen.status).toBe(502);
    expect(seen.headers).toContainEqual(['x-sandgate-reason', expect.any(String)]);
    expect(server.requests - before).toBe(2);
  });

  it.each<[string, string]>([
    ['a body shorter than its length', ok().replace(': 2', ': 5')],
    ['chunks without an end', chunked().replace('0\r\n\r\n', '')],
    ['a chunk without a size', chunked().replace('2\r\n', 'zz\r\n')],
  ])('an answer that is cut off as one that is cut off: %s', async (_, written) => {
    const seen = await answered(ask, { written, thenCloses: true });
    expect(seen).toMatchObject({ status: 200, whole: false });
  });
});
