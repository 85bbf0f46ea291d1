import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type Balancer, startBalancer } from '../../stack/balancer.ts';
import { ask, askRaw, type ClientRequest } from '../../stack/client.ts';
import { eventually } from '../../stack/eventually.ts';
import { type Arrival, type Recorder, startRecorder } from '../../stack/recorder.ts';
import { hostOf, publicSandbox, startTestStack, type TestStack } from '../../stack/test-stack.ts';
import { bytesOf } from '../raw-http1.ts';

/** The client connects from here, so that it differs from the balancer. */
const CLIENT = '127.0.0.9';
/** Where the requests come from that a test sends in place of a balancer. */
const BALANCER = '127.0.0.8';
const CLAIMED = '203.0.113.7';

/** What a client sends to appear as another one, or as another host. */
const LIES = {
  'x-forwarded-for': `${CLAIMED}, 198.51.100.1`,
  'x-forwarded-proto': 'http',
  'x-forwarded-host': 'evil.example',
  'x-forwarded-port': '1',
  'x-forwarded-prefix': '/evil',
  'x-forwarded-fo': 'a',
  'x-forwarded-forx': 'a',
  'x-forwarded-protocol': 'a',
  'x-forwarded-': 'a',
  forwarded: `for=${CLAIMED};proto=http;host=evil.example`,
  'x-envoy-external-address': CLAIMED,
  'x-envoy-original-dst-host': '127.0.0.1:1',
};

let sandbox: Recorder;
beforeAll(async () => {
  sandbox = await startRecorder();
});
beforeEach(() => {
  sandbox.arrivals.length = 0;
});
afterAll(() => sandbox?.close());

async function startIngress(ingress: Parameters<typeof startTestStack>[1]): Promise<TestStack> {
  const stack = await startTestStack({ logAllows: '1' }, ingress);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a mask holds its placeholder as written
  const access = { maskRequestHost: 'localhost:${PORT}' };
  await stack.put(publicSandbox('open'), publicSandbox('masked', { access }));
  return stack;
}

/** The headers of one arrival that say where it came from, each with all its values. */
const originOf = ({ rawHeaders }: Arrival) =>
  rawHeaders
    .map(([name, value]) => `${name.toLowerCase()}: ${value}`)
    .filter((line) => /^(host|forwarded|x-forwarded-|x-envoy-)/.test(line))
    .sort();

const origin = (address: string, scheme: string, host = hostOf(sandbox.port, 'open')) => [
  `host: ${host}`,
  `x-forwarded-for: ${address}`,
  `x-forwarded-proto: ${scheme}`,
];

/** The address that the gate logged as the client of its last decision. */
const loggedClient = (stack: TestStack, count: number) =>
  eventually(() => {
    const lines = stack.logs().split('\n');
    const decisions = lines.filter((line) => line.includes('"msg":"decision"'));
    if (decisions.length !== count) throw new Error(`${decisions.length} decisions, not ${count}`);
    return JSON.parse(decisions.at(-1)!).client as string;
  });

describe.each(['HTTP/1.1', 'HTTP/2'] as const)('C15: behind a TLS balancer that speaks %s', (protocol) => {
  let stack: TestStack;
  let balancer: Balancer;
  let decisions = 0;
  beforeAll(async () => {
    stack = await startIngress({ trustedHops: 1 });
    const tls = {
      certificate: stack.ca.replace('ca.pem', 'server.pem'),
      key: stack.ca.replace('ca.pem', 'server.key'),
    };
    balancer = await startBalancer({ ingress: stack.http, protocol, tls });
  });
  afterAll(async () => {
    await balancer?.stop();
    await stack?.stop();
  });

  const host = () => hostOf(sandbox.port, 'open');
  const get = async (own: 'h2' | 'http/1.1', headers: Record<string, string>, name = host()) => {
    decisions++;
    const tls: ConnectionOptions = { servername: name, ca: readFileSync(stack.ca), ALPNProtocols: [own] };
    const socket = connectTls({ ...tls, socket: connect({ ...balancer.https, localAddress: CLIENT }) });
    await once(socket, 'secureConnect');
    try {
      if (own === 'http/1.1') {
        const request = httpsRequest({ createConnection: () => socket, headers: { host: name, ...headers } });
        const [response] = await once(request.end(), 'response');
        return { status: response.statusCode, body: (await response.toArray()).join('') };
      }
      const session = connectHttp2(`https://${name}`, { createConnection: () => socket });
      const stream = session.request({ ':authority': name, ':path': '/', ...headers });
      const [response] = await once(stream, 'response');
      return { status: response[':status'], body: (await stream.toArray()).join('') };
    } finally {
      socket.destroy();
    }
  };

  describe.each(['h2', 'http/1.1'] as const)('a client with %s', (own) => {
    it.each([
      ['says nothing', {}],
      ['lies', LIES],
    ])(
      'that %s arrives with its own address, https and its Host, and so does the log line',
      async (_, headers) => {
        expect(await get(own, headers)).toEqual({ status: 200, body: 'hello' });
        expect(sandbox.arrivals.map(originOf)).toEqual([origin(CLIENT, 'https')]);
        expect(await loggedClient(stack, decisions)).toBe(CLIENT);
      },
    );
  });

  it('a masked sandbox gets the Host that the client asked for, not the one that it claims', async () => {
    const name = hostOf(sandbox.port, 'masked');
    await get('h2', LIES, name);
    expect(originOf(sandbox.arrivals[0]!)).toEqual([
      `host: localhost:${sandbox.port}`,
      `x-forwarded-for: ${CLIENT}`,
      `x-forwarded-host: ${name}`,
      'x-forwarded-proto: https',
    ]);
  });

  it('a WebSocket opens, with the same headers', async () => {
    decisions++;
    const options = { localAddress: CLIENT, servername: host(), ca: readFileSync(stack.ca) };
    const { host: at, port } = balancer.https;
    const headers = { host: host(), ...LIES };
    const socket = new WebSocket(`wss://${at}:${port}/`, { ...options, headers });
    await once(socket, 'open');
    socket.send('hi');
    const [echoed] = await once(socket, 'message');
    socket.terminate();
    expect(String(echoed)).toBe('hi');
    expect(sandbox.arrivals.map(originOf)).toEqual([origin(CLIENT, 'https')]);
  });

  it('a request that the balancer got without TLS arrives as http', async () => {
    decisions++;
    const headers = { ...LIES, 'x-forwarded-proto': 'https' };
    expect(await ask(balancer.http, { host: host(), headers, from: CLIENT })).toMatchObject({ status: 200 });
    expect(sandbox.arrivals.map(originOf)).toEqual([origin(CLIENT, 'http')]);
  });
});

describe('C15: the address of a client', () => {
  const through = async (
    ingress: Parameters<typeof startTestStack>[1],
    headers: NonNullable<ClientRequest['headers']>,
  ) => {
    const stack = await startIngress(ingress);
    try {
      await ask(stack.http, { host: hostOf(sandbox.port, 'open'), headers, from: BALANCER });
      return [originOf(sandbox.arrivals[0]!), await loggedClient(stack, 1)];
    } finally {
      await stack.stop();
    }
  };

  it.each([
    ['one proxy appended one', 1, `${CLAIMED}, 192.0.2.5`, '192.0.2.5'],
    ['two proxies appended one each', 2, `${CLAIMED}, 192.0.2.5, 10.0.0.1`, '192.0.2.5'],
    ['it is IPv6', 1, `${CLAIMED}, 2001:db8::5`, '2001:db8::5'],
    ['fewer entries than proxies', 2, CLAIMED, BALANCER],
    ['not an address', 1, `${CLAIMED}, unknown`, BALANCER],
  ])(
    'is the entry that the outermost proxy added, or else that of the innermost: %s',
    async (_, trustedHops, sent, seen) => {
      const headers = { 'x-forwarded-for': sent, 'x-forwarded-proto': 'https' };
      expect(await through({ trustedHops }, headers)).toEqual([origin(seen, 'https'), seen]);
    },
  );

  it('is that of the connection if no proxy is trusted', async () => {
    expect(await through({}, LIES)).toEqual([origin(BALANCER, 'http'), BALANCER]);
  });
});

describe('C15: with the PROXY protocol', () => {
  let stack: TestStack;
  beforeAll(async () => {
    stack = await startIngress({ proxyProtocol: true });
  });
  afterAll(() => stack?.stop());

  const lines = () => [
    'GET / HTTP/1.1',
    `Host: ${hostOf(sandbox.port, 'open')}`,
    ...Object.entries(LIES).map(([name, value]) => `${name}: ${value}`),
    'Connection: close',
  ];

  it('the address is that of the preamble, whatever the headers say', async () => {
    const preamble = 'PROXY TCP4 192.0.2.5 10.0.0.1 5000 443\r\n';
    const answer = await askRaw(stack.http, preamble + bytesOf(lines()));
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(sandbox.arrivals.map(originOf)).toEqual([origin('192.0.2.5', 'http')]);
    expect(await loggedClient(stack, 1)).toBe('192.0.2.5');
  });

  it('a connection without it is closed, and nothing arrives', async () => {
    expect(await askRaw(stack.http, bytesOf(lines()))).toBe('');
    expect(sandbox.arrivals).toEqual([]);
  });
});
