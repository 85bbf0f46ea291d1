import { type AddressInfo, createServer, type Server } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { run } from '../../src/cli/program.ts';
import { loadBundledConfig } from '../../src/envoy/bootstrap.ts';
import { MOST_HEADER_BYTES, MOST_HEADERS, MOST_HEADERS_ALLOWED } from '../../src/explain/envoy-first.ts';
import type { Explanation } from '../../src/explain/explanation.ts';
import { askOnce, bytesOf, statusOf } from '../attack/raw-http1.ts';
import { askRawHttp2, type Field } from '../attack/raw-http2.ts';
import { http2Session } from '../stack/client.ts';
import { hostOf, publicSandbox, startTestStack, type TestStack } from '../stack/test-stack.ts';

/** One request for every wire, and what becomes of it: undefined if it reaches the sandbox. */
interface Row {
  what: string;
  method?: string;
  path?: string;
  /** In place of the sandbox's. */
  host?: string;
  headers?: readonly Field[];
  body?: string;
  answer?: { status: number; body: string };
  /** `same`, unless HTTP/2 has another way to refuse it (docs/contract.md, "What Envoy answers itself"). */
  http2?: 'reset' | 'arrives' | 'unsendable';
  /** False for what `explain` cannot be given: its URL and headers are checked first. */
  explain?: false;
}

const bad = (status: number, detail: string) => ({ status, body: `Bad request: ${detail}\n` });
const codec = bad(400, 'http1.codec_error');
const characters = bad(400, 'http1.invalid_characters');
const authority = bad(400, 'http.invalid_authority');
const late = bad(431, 'ext_authz_invalid');
const host = { status: 400, body: 'Invalid host\n' };
const upgrade = { status: 400, body: 'Unsupported upgrade: use websocket, or tcp without a body\n' };
const many = (count: number): Field[] => Array.from({ length: count }, (_, n) => [`x-${n}`, '1']);
const upgrading = (to: string, ...more: Field[]): Field[] => [
  ['connection', 'keep-alive, Upgrade'],
  ['upgrade', to],
  ...more,
];

const ROWS: readonly Row[] = [
  ...['GET', 'LIST', 'get', "A!#$%&'*+-.^_`|~9", 'M'.repeat(2000), 'TRACE', 'PRI', 'OPTIONS', 'PROPFIND'].map(
    (method) => ({
      what: `the method ${method.slice(0, 20)}`,
      method,
    }),
  ),
  { what: 'QUERY', method: 'QUERY', answer: bad(400, 'query_missing_content_type') },
  { what: 'QUERY with a content type', method: 'QUERY', headers: [['content-type', 'a/b']] },
  ...['(GET)', 'GET:', 'G\u00e9T'].map((method) => ({
    what: `the method ${method}`,
    method,
    answer: codec,
    http2: 'reset' as const,
    explain: false as const,
  })),
  { what: 'CONNECT', method: 'CONNECT', path: 'x:80', answer: bad(404, 'route_not_found') },
  ...['/a\\b', '/a%20b', '/a%', '/a%00', '//a', '/../a', '/<>"{}|^`', '/;a=b', `/${'a'.repeat(8000)}`].map(
    (path) => ({
      what: `the path ${path.slice(0, 20)}`,
      path,
    }),
  ),
  { what: 'a fragment', path: '/a#b', answer: bad(400, 'path_normalization_failed'), explain: false },
  {
    what: 'OPTIONS *',
    method: 'OPTIONS',
    path: '*',
    answer: bad(404, 'absolute_path_rejected'),
    explain: false,
  },
  { what: 'GET *', path: '*', answer: bad(400, 'http1.invalid_url'), http2: 'reset', explain: false },
  ...['/a b', 'a', '?a'].map((path) => ({
    what: `the path ${path}`,
    path,
    answer: codec,
    http2: 'reset' as const,
    explain: false as const,
  })),
  {
    what: 'a control character in the path',
    path: '/a\x01',
    answer: characters,
    http2: 'reset',
    explain: false,
  },
  { what: 'UTF-8 in the path', path: '/\xc3\xa9', answer: codec, http2: 'arrives', explain: false },
  ...['a b', 'a/b', 'a\\b', 'a?b', 'a#b', 'a<b', '"a"', 'a^b', 'a`b', 'a{b}', 'a|b', '\xe9.x'].map(
    (named) => ({
      what: `the host ${named}`,
      host: named,
      answer: authority,
      http2: 'reset' as const,
    }),
  ),
  ...['a,b', 'a..b', '.', '*', 'a%20b', "a'b", '[::1'].map((named) => ({
    what: `the host ${named}`,
    host: named,
    answer: host,
  })),
  { what: 'userinfo in the host', host: 'a@b', answer: host, http2: 'reset' },
  { what: 'a control character in the host', host: 'a\x7fb', answer: characters, http2: 'reset' },
  { what: 'an underscore in a name', headers: [['a_b', '1']] },
  { what: 'odd characters in a name', headers: [["a!#$%&'*+.^`|~", '1']] },
  { what: 'a parenthesis in a name', headers: [['a(', '1']], answer: codec, http2: 'reset', explain: false },
  {
    what: 'an empty value, a tab, latin1',
    headers: [
      ['a', ''],
      ['b', 'x\ty'],
      ['c', '\xe9'],
    ],
  },
  { what: 'DEL in a value', headers: [['a', '\x7f']], answer: characters, http2: 'reset' },
  { what: 'a control character in a value', headers: [['a', 'x\x01']], answer: characters, http2: 'reset' },
  {
    what: 'several cookies',
    headers: [
      ['cookie', 'a=1'],
      ['cookie', 'b=2'],
    ],
  },
  { what: 'as many headers as allowed', headers: many(MOST_HEADERS_ALLOWED) },
  {
    what: 'a header more, which Envoy finds out too late',
    headers: many(MOST_HEADERS_ALLOWED + 1),
    answer: late,
  },
  { what: 'as many headers as HTTP/2 accepts', headers: many(MOST_HEADERS - 4), answer: late },
  {
    what: 'as many headers as HTTP/1.1 accepts',
    headers: many(MOST_HEADERS - 1),
    answer: late,
    http2: 'reset',
  },
  {
    what: 'too many headers',
    headers: many(MOST_HEADERS),
    answer: bad(431, 'http1.too_many_headers'),
    http2: 'reset',
  },
  { what: 'a large head', headers: [['x', 'a'.repeat(50_000)]], http2: 'unsendable' },
  {
    what: 'too large a head',
    headers: [['x', 'a'.repeat(61_440)]],
    answer: bad(431, 'http1.headers_too_large'),
    http2: 'unsendable',
  },
  { what: 'TE: trailers', headers: [['te', 'trailers']] },
  { what: 'another TE', headers: [['te', 'gzip']], http2: 'reset' },
  {
    what: 'Connection',
    headers: [
      ['connection', 'x'],
      ['x', '1'],
    ],
    http2: 'reset',
  },
  { what: 'Keep-Alive', headers: [['keep-alive', 'timeout=5']], http2: 'reset' },
  { what: 'Upgrade without Connection', headers: [['upgrade', 'foo']], http2: 'reset' },
  ...['h2c', 'H2C', 'h2', 'TLS/1.0', 'HTTP/2.0'].map((to) => ({
    what: `an upgrade to ${to}`,
    headers: upgrading(to, ['http2-settings', 'AAMAAABk']),
    http2: 'reset' as const,
  })),
  ...['foo', 'websocket, h2c'].map((to) => ({
    what: `an upgrade to ${to}`,
    headers: upgrading(to),
    answer: upgrade,
    http2: 'reset' as const,
  })),
  {
    what: 'an upgrade to connect-udp',
    headers: upgrading('connect-udp'),
    answer: bad(404, 'invalid_path'),
    http2: 'reset',
  },
  {
    what: 'a tcp upgrade with a body',
    method: 'POST',
    headers: upgrading('TCP', ['content-length', '2']),
    body: '{}',
    answer: upgrade,
    http2: 'reset',
  },
  { what: 'an Expect that no one knows', headers: [['expect', 'foo']] },
  { what: 'a body', method: 'POST', headers: [['content-length', '2']], body: 'ab' },
  { what: 'a body of a GET', headers: [['content-length', '2']], body: 'ab' },
  ...['+2', 'abc', '2, 2', '99999999999999999999'].map((length) => ({
    what: `the length ${length}`,
    method: 'POST',
    headers: [['content-length', length]] as Field[],
    body: 'ab',
    answer: codec,
    http2: 'reset' as const,
  })),
  {
    what: 'two lengths',
    method: 'POST',
    headers: [
      ['content-length', '2'],
      ['content-length', '2'],
    ],
    body: 'ab',
    answer: codec,
    http2: 'reset',
  },
  {
    what: 'another coding',
    method: 'POST',
    headers: [['transfer-encoding', 'gzip, chunked']],
    answer: bad(501, 'http1.invalid_transfer_encoding'),
    http2: 'reset',
  },
  {
    what: 'a coding and a length',
    method: 'POST',
    headers: [
      ['transfer-encoding', 'chunked'],
      ['content-length', '2'],
    ],
    answer: bad(400, 'http1.content_length_and_chunked_not_allowed'),
    http2: 'reset',
  },
];

let stack: TestStack;
/** Not node:http, which knows only some methods. */
let sandbox: Server;
let usual: string;

beforeAll(async () => {
  sandbox = createServer((socket) => {
    socket.on('error', () => {});
    let head = '';
    socket.on('data', (bytes) => {
      head += bytes.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      head = '';
      socket.write('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello');
    });
  });
  await new Promise<void>((resolve) => sandbox.listen(0, '127.0.0.1', resolve));
  stack = await startTestStack();
  await stack.put(publicSandbox('abc'));
  usual = hostOf((sandbox.address() as AddressInfo).port, 'abc');
});

afterAll(async () => {
  await stack?.stop();
  sandbox?.close();
});

async function overHttp1({ method = 'GET', path = '/', host: named = usual, headers = [], body }: Row) {
  const lines = headers.map(([name, value]) => `${name}: ${value}`);
  const text = await askOnce(
    stack.http,
    bytesOf([`${method} ${path} HTTP/1.1`, `Host: ${named}`, ...lines], body),
  );
  return { status: statusOf(text), body: text.slice(text.indexOf('\r\n\r\n') + 4), text };
}

function overHttp2({ method = 'GET', path = '/', host: named = usual, headers = [], body }: Row) {
  const target: Field[] = [
    [':method', method],
    ...(method === 'CONNECT'
      ? []
      : ([
          [':path', path],
          [':scheme', 'http'],
        ] as const)),
    [':authority', named],
  ];
  return askRawHttp2(stack.http, [...target, ...headers], body === undefined ? {} : { body });
}

async function explained({
  method = 'GET',
  path = '/',
  host: named = usual,
  headers = [],
}: Row): Promise<Explanation> {
  // A command line has text, not bytes.
  const text = (value: string) => Buffer.from(value, 'latin1').toString();
  const lines = [['host', named] as const, ...headers].flatMap(([name, value]) => [
    '-H',
    `${name}: ${text(value)}`,
  ]);
  const out = new PassThrough();
  const io = { stdin: Readable.from([]), stdout: out, stderr: new PassThrough() };
  const url = `http://x${path.startsWith('/') ? path : '/'}`;
  const code = await run(
    ['explain', url, '-X', method, ...lines, '--json', '--state-dir', stack.stateDir],
    io,
  );
  expect(code).toBe(0);
  return JSON.parse(String(out.read())) as Explanation;
}

describe('the same request gets the same answer over HTTP/1.1 and HTTP/2, and explain knows it', () => {
  it.each(ROWS.map((row) => [row.what, row] as const))('%s', async (_, row) => {
    const { status, body, text } = await overHttp1(row);
    expect({ status, body }).toEqual(row.answer ?? { status: 200, body: 'hello' });
    if (row.answer)
      expect(text).toMatch(/^x-sandgate-reason: (bad_request|upgrade_refused|invalid_host|unavailable)\r$/m);

    if (row.http2 !== 'unsendable') {
      const answered = await overHttp2(row);
      if (row.http2 === 'reset') expect(answered.ended).toBe('reset');
      else expect(answered).toEqual({ ended: 'end', body: row.http2 === 'arrives' ? 'hello' : body });
    }

    if (row.explain === false) return;
    const explanation = await explained(row);
    if (row.answer === undefined) expect(explanation.decision).toBe('allow');
    else {
      expect({ status: explanation.status, body: explanation.answer?.body }).toEqual(row.answer);
      expect(text).toContain(`\r\nx-sandgate-reason: ${explanation.reason}\r\n`);
      for (const [name, value] of explanation.answer!.headers)
        expect(text).toContain(`\r\n${name}: ${value}\r\n`);
    }
  });

  it('a malformed request over HTTP/2 costs its stream, not the connection', async () => {
    const session = await http2Session(stack.http);
    const ask = (headers: Record<string, string>) =>
      new Promise<string>((resolve) => {
        const stream = session.request({ ':path': '/', ':authority': usual, ...headers });
        stream.on('error', () => {});
        stream.on('close', () => resolve(stream.rstCode === 0 ? 'answered' : 'reset'));
        stream.resume();
        stream.end();
      });
    expect(await ask({ ':path': '/a b' })).toBe('reset');
    expect(await ask({})).toBe('answered');
    session.destroy();
  });
});

it('explain has the limits of the bundled config', async () => {
  const config = parse(await loadBundledConfig());
  const manager = config.static_resources.listeners[0].filter_chains[0].filters[0].typed_config;
  expect(manager.common_http_protocol_options.max_headers_count).toBe(MOST_HEADERS);
  expect(manager.max_request_headers_kb * 1024).toBe(MOST_HEADER_BYTES);
});
