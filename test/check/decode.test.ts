import { expect, test } from 'vitest';
import { decodeCheckRequest } from '../../src/check/decode.ts';
import { CheckRequest } from './oracle.ts';

const TOKEN = 'e2b-traffic-access-token';

interface Http {
  method?: string;
  path?: string;
  host?: string;
  headers?: Record<string, string>;
  header_map?: { headers: { key: string; raw_value?: Buffer; value?: string }[] };
}

function encoded(http: Http): Buffer {
  return Buffer.from(
    CheckRequest.encode(CheckRequest.fromObject({ attributes: { request: { http } } })).finish(),
  );
}

function raw(...lines: [key: string, value: string | Buffer][]): Http {
  return { header_map: { headers: lines.map(([key, value]) => ({ key, raw_value: Buffer.from(value) })) } };
}

const one = (value: string) => ({ kind: 'one', value });

const malformed = expect.objectContaining({ code: 'CHECK_MALFORMED' });

test('a request as Envoy sends it, with and without encode_raw_headers, reads the same', () => {
  const lines: [string, string][] = [
    [TOKEN, 'secret'],
    ['accept', 'text/html'],
    ['user-agent', 'Mozilla/5.0'],
    ['sec-fetch-mode', 'navigate'],
    ['x-requested-with', 'x'],
    ['origin', 'https://page.example'],
    ['access-control-request-method', 'PUT'],
    ['access-control-request-headers', 'x-a'],
    ['x-request-id', 'r1'],
    ['traceparent', '00-1-2-01'],
    ['x-envoy-external-address', '192.0.2.7'],
    ['e2b-sandbox-id', 'abc'],
    ['e2b-sandbox-port', '80'],
    ['x-forwarded-for', '10.0.0.1'],
  ];
  const line = { method: 'GET', path: '/é?x', host: '80-abc.d' };
  const expected = {
    ...line,
    token: { kind: 'one', value: Buffer.from('secret') },
    sandboxId: one('abc'),
    sandboxPort: one('80'),
    accept: 'text/html',
    userAgent: 'Mozilla/5.0',
    secFetchMode: 'navigate',
    requestedWith: 'x',
    origin: 'https://page.example',
    requestMethod: 'PUT',
    requestHeaders: 'x-a',
    requestId: 'r1',
    traceparent: '00-1-2-01',
    clientAddress: '192.0.2.7',
    peerAddress: '',
  };
  expect(decodeCheckRequest(encoded({ ...line, ...raw(...lines) }))).toEqual(expected);
  expect(decodeCheckRequest(encoded({ ...line, headers: Object.fromEntries(lines) }))).toEqual(expected);
});

test('a missing field is empty, absent or undefined', () => {
  expect(decodeCheckRequest(encoded({}))).toEqual({
    method: '',
    host: '',
    path: '',
    sandboxId: { kind: 'absent' },
    sandboxPort: { kind: 'absent' },
    token: { kind: 'absent' },
    accept: '',
    userAgent: '',
    secFetchMode: '',
    requestedWith: '',
    origin: undefined,
    requestMethod: undefined,
    requestHeaders: undefined,
    requestId: '',
    traceparent: '',
    clientAddress: '',
    peerAddress: '',
  });
});

/** Attack E4 of docs/threats.md, and duplicates of E2B's routing headers. */
test.each<[behaviour: string, http: Http, expected: object]>([
  ['a good and a bad token', raw([TOKEN, 'good'], [TOKEN, 'bad']), { token: { kind: 'several' } }],
  ['the same token twice', raw([TOKEN, 'good'], [TOKEN, 'good']), { token: { kind: 'several' } }],
  ['an empty and a good token', raw([TOKEN, ''], [TOKEN, 'good']), { token: { kind: 'several' } }],
  ['two comma-joined tokens', raw([TOKEN, 'good,bad']), { token: { kind: 'several' } }],
  [
    'two comma-joined tokens in the map',
    { headers: { [TOKEN]: 'good,bad' } },
    { token: { kind: 'several' } },
  ],
  [
    'one in each form',
    { ...raw([TOKEN, 'good']), headers: { [TOKEN]: 'good' } },
    { token: { kind: 'several' } },
  ],
  [
    'one in another case beside it',
    raw([TOKEN, 'good'], [TOKEN.toUpperCase(), 'bad']),
    { token: { kind: 'several' } },
  ],
  [
    'two cases in the map',
    { headers: { [TOKEN]: 'good', [TOKEN.toUpperCase()]: 'bad' } },
    { token: { kind: 'several' } },
  ],
  [
    'upper case alone',
    raw([TOKEN.toUpperCase(), 'good']),
    { token: { kind: 'one', value: Buffer.from('good') } },
  ],
  [
    'any bytes',
    raw([TOKEN, Buffer.from([0xff, 0xfe])]),
    { token: { kind: 'one', value: Buffer.from([0xff, 0xfe]) } },
  ],
  ['an empty token', raw([TOKEN, '']), { token: { kind: 'one', value: Buffer.alloc(0) } }],
  [
    'a token of 60 KB',
    raw([TOKEN, 'a'.repeat(60_000)]),
    { token: { kind: 'one', value: Buffer.alloc(60_000, 'a') } },
  ],
  [
    'a name that differs in one bit',
    raw([TOKEN.replace('2', '\u0012'), 'x'], [TOKEN.replace('-', '\r'), 'x']),
    { token: { kind: 'absent' } },
  ],
  ['two ids', raw(['e2b-sandbox-id', 'a'], ['e2b-sandbox-id', 'b']), { sandboxId: { kind: 'several' } }],
  ['two ports in one line', raw(['e2b-sandbox-port', '1, 2']), { sandboxPort: { kind: 'several' } }],
  ['an empty id', raw(['e2b-sandbox-id', '']), { sandboxId: one('') }],
  [
    '`value` where `raw_value` is absent',
    { header_map: { headers: [{ key: 'e2b-sandbox-id', value: 'abc' }] } },
    { sandboxId: one('abc') },
  ],
  [
    'several Accept lines',
    raw(['accept', 'text/html'], ['accept', 'application/json']),
    { accept: 'text/html, application/json' },
  ],
])('%s', (_behaviour, http, expected) => {
  expect(decodeCheckRequest(encoded(http))).toMatchObject(expected);
});

const HTTP = encoded({ path: '/' });
const tagged = (field: number, wireType: number) => (field << 3) | wireType;
const groups = (depth: number) =>
  Buffer.concat([Buffer.alloc(depth, tagged(9, 3)), Buffer.alloc(depth, tagged(9, 4)), HTTP]);

/** Attack E5 of docs/threats.md. */
test.each<[fault: string, bytes: Buffer]>([
  ['nothing at all', Buffer.alloc(0)],
  ['no HTTP request', Buffer.from(CheckRequest.encode({ attributes: { request: {} } }).finish())],
  ['field number 0', Buffer.concat([Buffer.from([0x02, 0x00]), HTTP])],
  ['a tag that is cut short', Buffer.from([0x80])],
  ['a tag of six bytes', Buffer.from([0xfa, 0x80, 0x80, 0x80, 0x80, 0x00, 0x00])],
  ['a tag past 32 bits', Buffer.from([0xfa, 0xff, 0xff, 0xff, 0x1f, 0x00])],
  ['a varint of eleven bytes', Buffer.concat([Buffer.from([0x78, ...Array(10).fill(0x80), 0x00]), HTTP])],
  ['a varint that is cut short', Buffer.from([0x78, 0xff])],
  ['a length of 2 GiB', Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x07])],
  ['a length of 4 GiB', Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])],
  ['a length of 2^64 - 1', Buffer.from([0x0a, ...Array(9).fill(0xff), 0x01])],
  ['an unknown field of 2 GiB', Buffer.from([0x7a, 0xff, 0xff, 0xff, 0xff, 0x07])],
  [
    'a submessage longer than the one around it',
    Buffer.from([0x0a, 0x02, 0x22, 0x05, 0x12, 0x03, 0x22, 0x01, 0x2f]),
  ],
  ['a needed field of the wrong wire type', Buffer.from([0x0a, 0x06, 0x22, 0x04, 0x12, 0x02, 0x20, 0x01])],
  ['a fixed64 that is cut short', Buffer.concat([HTTP, Buffer.from([0x79, 1, 2, 3])])],
  ['a fixed32 that is cut short', Buffer.concat([HTTP, Buffer.from([0x7d, 1])])],
  ['wire type 6', Buffer.concat([HTTP, Buffer.from([0x7e])])],
  ['wire type 7', Buffer.concat([HTTP, Buffer.from([0x7f])])],
  ['a group end without a start', Buffer.concat([HTTP, Buffer.from([tagged(9, 4)])])],
  [
    'a group that ends with the tag of another',
    Buffer.concat([HTTP, Buffer.from([tagged(9, 3), tagged(10, 4)])]),
  ],
  ['a group that does not end', Buffer.concat([HTTP, Buffer.from([tagged(9, 3)])])],
  ['101 nested groups', groups(101)],
  ['a million nested groups', groups(1_000_000)],
])('%s is refused', (_fault, bytes) => {
  expect(() => decodeCheckRequest(bytes)).toThrow(malformed);
});

test('100 nested groups are skipped', () => {
  expect(decodeCheckRequest(groups(100))).toMatchObject({ path: '/' });
});
