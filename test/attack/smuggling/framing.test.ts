import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TOKEN } from '../../stack/test-stack.ts';
import { bytesOf, openRaw, statusesOf } from '../raw-http1.ts';
import { openScene, type Sandbox, type Scene } from '../scene.ts';

let scene: Scene;
let locked: Sandbox;
let other: Sandbox;
beforeAll(async () => {
  scene = await openScene();
  locked = await scene.restricted('locked');
  other = await scene.restricted('other');
});
beforeEach(() => scene.forget());
afterAll(() => scene?.close());

const WITH_TOKEN = `e2b-traffic-access-token: ${TOKEN}`;

/** A request without a token, visible only to a parser that mistakes the framing. */
const hidden = () => bytesOf(['GET /smuggled HTTP/1.1', `Host: ${other.host}`, 'X: ']);
const chunked = (extension = '') => `0${extension}\r\n\r\n${hidden()}`;

/** Sends the bytes, then a request that ends the connection, and returns the statuses of all answers. */
async function sendAll(bytes: string): Promise<number[]> {
  const raw = await openRaw(scene.stack.http);
  raw.send(bytes);
  raw.send(bytesOf(['GET /last HTTP/1.1', `Host: ${locked.host}`, 'Connection: close']));
  const answers = await raw.until(/^connection: close\r\n(.+\r\n)*\r\n/im);
  raw.socket.destroy();
  return statusesOf(answers);
}

const post = (lines: string[], body: string) =>
  bytesOf(['POST /first HTTP/1.1', `Host: ${locked.host}`, WITH_TOKEN, ...lines], body);

const lengths = [
  '5, 5',
  '+5',
  '-1',
  '0x5',
  '5 6',
  '5;',
  '',
  '18446744073709551621',
  '٥',
  '5\x0b',
  '5,',
  '1e1',
];
const codings = [
  'chunked, identity',
  'identity, chunked',
  'xchunked',
  'chunked\x0b',
  '\x0bchunked',
  'chunked\0',
  'chunked;q=1',
  '"chunked"',
  'gzip, chunked',
  'chunked, chunked',
  'chunked,',
  'chunkedd',
  'identity',
  'gzip',
  ',chunked',
];
const frames: [string, () => string][] = [
  ['a length and chunks', () => post(['Content-Length: 5', 'Transfer-Encoding: chunked'], chunked())],
  [
    'chunks and a length',
    () => post(['Transfer-Encoding: chunked', `Content-Length: ${chunked().length}`], chunked()),
  ],
  [
    'chunked in capitals and a length',
    () => post(['TRANSFER-ENCODING: CHUNKED', 'Content-Length: 5'], chunked()),
  ],
  ['chunked twice', () => post(['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], chunked())],
  ['a space before the colon', () => post(['Transfer-Encoding : chunked', 'Content-Length: 5'], chunked())],
  ['an underscore', () => post(['Transfer_Encoding: chunked', 'Content-Length: 5'], chunked())],
  ['a folded coding', () => post(['Transfer-Encoding:', ' chunked', 'Content-Length: 5'], chunked())],
  [
    'a coding behind a bare LF',
    () => post(['X: a\nTransfer-Encoding: chunked', 'Content-Length: 5'], chunked()),
  ],
  [
    'a coding behind a bare CR',
    () => post(['X: a\rTransfer-Encoding: chunked', 'Content-Length: 5'], chunked()),
  ],
  ['a coding behind a NUL', () => post(['X: a\0Transfer-Encoding: chunked', 'Content-Length: 5'], chunked())],
  [
    'two lengths',
    () => post(['Content-Length: 5', `Content-Length: ${hidden().length}`], `12345${hidden()}`),
  ],
  ['two lengths that agree', () => post(['Content-Length: 5', 'Content-Length: 5'], `12345${hidden()}`)],
  [
    'a length and a length with an underscore',
    () => post(['Content-Length: 5', 'Content_Length: 500'], `12345${hidden()}`),
  ],
  ['a bare LF in a chunk extension', () => post(['Transfer-Encoding: chunked'], `2;\nxx\r\n${chunked()}`)],
  ['a bare CR in a chunk extension', () => post(['Transfer-Encoding: chunked'], `2;\rxx\r\n${chunked()}`)],
  ['a chunk that ends in a bare LF', () => post(['Transfer-Encoding: chunked'], `2\nxx\n${chunked()}`)],
  [
    'a chunk longer than it says',
    () => post(['Transfer-Encoding: chunked'], `2\r\nxxGET /smuggled\r\n${chunked()}`),
  ],
  ['a chunk size with a sign', () => post(['Transfer-Encoding: chunked'], `+0\r\n\r\n${hidden()}`)],
  ['a chunk size with 0x', () => post(['Transfer-Encoding: chunked'], `0x0\r\n\r\n${hidden()}`)],
  [
    'a chunk size that overflows',
    () => post(['Transfer-Encoding: chunked'], `10000000000000000\r\nx\r\n${chunked()}`),
  ],
  ['a chunk extension that is odd', () => post(['Transfer-Encoding: chunked'], chunked(';a="\\"\u0001'))],
  [
    'trailers that frame',
    () => post(['Transfer-Encoding: chunked'], `0\r\nContent-Length: 9999\r\n\r\n${hidden()}`),
  ],
  ['a length in the body’s way', () => post([`Content-Length: ${hidden().length}`], hidden())],
  ['an empty line first', () => `\r\n\r\n${post(['Content-Length: 0'], hidden())}`],
  [
    'HTTP/1.0 with chunks',
    () => post(['Transfer-Encoding: chunked'], chunked()).replace('HTTP/1.1', 'HTTP/1.0'),
  ],
  ['HTTP/1.2', () => post(['Content-Length: 0'], hidden()).replace('HTTP/1.1', 'HTTP/1.2')],
  ['HTTP/0.9', () => `GET /smuggled\r\n${hidden()}`],
  [
    'a request in the request line',
    () => `GET /first HTTP/1.1\r\nHost: ${locked.host} HTTP/1.1\r\n${WITH_TOKEN}\r\n\r\n${hidden()}`,
  ],
];

/** However Envoy reads it, requests that reach a sandbox must have unambiguous framing and a valid token. */
function expectNothingSmuggled(): void {
  expect(other.app.arrivals).toEqual([]);
  for (const { url, headers } of locked.app.arrivals) {
    expect(url).toBe('/first');
    expect(headers['content-length'] === undefined || headers['transfer-encoding'] === undefined).toBe(true);
  }
  expect(locked.app.arrivals.length).toBeLessThanOrEqual(1);
}

describe('a request hidden in another', () => {
  it.each(frames)('behind %s never arrives', async (_what, bytes) => {
    const statuses = await sendAll(bytes());
    expect(statuses.filter((status) => ![200, 400, 403, 426, 501].includes(status))).toEqual([]);
    expectNothingSmuggled();
  });

  it.each(codings)('behind the coding %j never arrives', async (coding) => {
    await sendAll(post([`Transfer-Encoding: ${coding}`], chunked()));
    await sendAll(post([`Transfer-Encoding: ${coding}`, 'Content-Length: 5'], chunked()));
    expect(other.app.arrivals).toEqual([]);
    for (const { url } of locked.app.arrivals) expect(url).toBe('/first');
  });

  it.each(lengths)('behind the length %j never arrives', async (length) => {
    await sendAll(post([`Content-Length: ${Buffer.from(length).toString('latin1')}`], `12345${hidden()}`));
    expectNothingSmuggled();
  });
});

describe('the body of a request that was refused', () => {
  const allowed = () => bytesOf(['GET /smuggled HTTP/1.1', `Host: ${locked.host}`, WITH_TOKEN]);

  it.each([
    ['POST', []],
    ['POST', ['Expect: 100-continue']],
    ['GET', []],
    ['OPTIONS', ['Origin: https://a', 'Access-Control-Request-Method: PUT']],
  ] as [string, string[]][])('is never read as the next request: %s %j', async (method, lines) => {
    const head = [`${method} /first HTTP/1.1`, `Host: ${locked.host}`, ...lines];
    const sized = bytesOf([...head, `Content-Length: ${allowed().length}`], allowed());
    const inChunks = `${allowed().length.toString(16)}\r\n${allowed()}\r\n0\r\n\r\n`;
    await sendAll(sized);
    await sendAll(bytesOf([...head, 'Transfer-Encoding: chunked'], inChunks));
    expect(scene.arrived()).toBe(0);
  });
});
