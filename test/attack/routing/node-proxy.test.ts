import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RefusalReason } from '../../../local-cloud/node-proxy/admission.ts';
import { type NodeProxy, startNodeProxy } from '../../../local-cloud/node-proxy/node-proxy.ts';
import type { Address } from '../../../src/address.ts';
import { startGate } from '../../../src/app.ts';
import { readSettings } from '../../../src/config.ts';
import { parseDomains } from '../../../src/target/domains.ts';
import { ask, askHttp2 } from '../../stack/client.ts';
import { type Recorder, startRecorder } from '../../stack/recorder.ts';
import {
  DOMAIN,
  hostOf,
  publicSandbox,
  restricted,
  startTestStack,
  type TestStack,
  TOKEN,
} from '../../stack/test-stack.ts';
import { askWebSocket, askWebSocketHttp2, ECHOED } from '../../stack/websocket.ts';
import { askOnce, bytesOf, get, statusOf } from '../raw-http1.ts';

const NAME = 'x-sandgate-node-proxy-key';
const KEY = 'k'.repeat(40);
const OTHER_KEY = 'o'.repeat(40);
const UNAVAILABLE =
  '{"message":"The access check is temporarily unavailable. Try again in a moment.","code":503}';
const withToken = { 'e2b-traffic-access-token': TOKEN };

let folder: string;
/** The server in the sandbox `locked`. */
let app: Recorder;
/** A sandbox that is dialed directly. */
let direct: Recorder;
let bridge: Server;
let bridged = 0;
let refused: RefusalReason[] = [];
let proxy: NodeProxy;
let at: Address;
/** Knows the key, and which address is the node proxy. */
let stack: TestStack;
/** Has another key, and does not know the node proxy. */
let stranger: TestStack;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-test-'));
  const fileOf = (key: string) => {
    const path = join(folder, key.slice(0, 4));
    writeFileSync(path, `${key}\n`, { mode: 0o600 });
    return path;
  };
  [app, direct] = await Promise.all([startRecorder(), startRecorder()]);
  // The bridge into the sandbox: replies to the line with the port, then passes bytes.
  bridge = createServer({ allowHalfOpen: true }, (socket) => {
    bridged++;
    socket.on('error', () => {});
    socket.once('data', () => {
      const server = connect({ port: app.port, host: '127.0.0.1', allowHalfOpen: true });
      server.on('error', () => socket.destroy());
      socket.write('OK\n');
      socket.pipe(server).pipe(socket);
    });
  });
  const bridgeSocket = join(folder, 'bridge.sock');
  await new Promise<void>((resolve) => bridge.listen(bridgeSocket, resolve));
  proxy = await startNodeProxy({
    port: 0,
    key: KEY,
    domains: parseDomains([DOMAIN]),
    find: (sandboxId) => (sandboxId === 'locked' ? { bridgeSocket, agentPort: 49983 } : undefined),
    onRefused: (reason) => refused.push(reason),
  });
  at = { host: '127.0.0.1', port: proxy.port };
  const nodeProxies = `127.0.0.1:${proxy.port}`;
  stack = await startTestStack({ nodeProxyKeyFile: fileOf(KEY), nodeProxies });
  stranger = await startTestStack({ nodeProxyKeyFile: fileOf(OTHER_KEY) });
  const runtime = { route: { address: '127.0.0.1', port: proxy.port } };
  for (const one of [stack, stranger]) {
    await one.put(
      restricted('locked', { runtime }),
      publicSandbox('plain'),
      publicSandbox('posing', { access: { maskRequestHost: hostOf(8080, 'locked') } }),
    );
  }
});
beforeEach(() => {
  app.arrivals.length = 0;
  direct.arrivals.length = 0;
  bridged = 0;
  refused = [];
});
afterAll(async () => {
  await Promise.all([stack?.stop(), stranger?.stop()]);
  await proxy?.close();
  await Promise.all([app?.close(), direct?.close()]);
  await new Promise((resolve) => bridge.close(resolve));
  rmSync(folder, { recursive: true });
});

/** The values of the key header among these lines. */
const keysIn = ({ rawHeaders }: { rawHeaders: [string, string][] }) =>
  rawHeaders.filter(([name]) => name.toLowerCase() === NAME).map(([, value]) => value);

const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
const handshake = [...upgrade, 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];

describe('C13: a node proxy that a client reaches without the gate', () => {
  const unproven: [string, RefusalReason, string[]][] = [
    ['no key', 'key_missing', []],
    ['the sandbox’s own token', 'key_missing', [`e2b-traffic-access-token: ${TOKEN}`]],
    ['a wrong key', 'key_wrong', [`${NAME}: ${OTHER_KEY}`]],
    ['an empty key', 'key_wrong', [`${NAME}:`]],
    ['a part of the key', 'key_wrong', [`${NAME}: ${KEY.slice(1)}`]],
    ['the key and more', 'key_wrong', [`${NAME}: ${KEY}k`]],
    ['the key in capitals', 'key_wrong', [`${NAME}: ${KEY.toUpperCase()}`]],
    ['the key twice in one line', 'key_wrong', [`${NAME}: ${KEY}, ${KEY}`]],
    ['the key twice', 'key_repeated', [`${NAME}: ${KEY}`, `${NAME.toUpperCase()}: ${KEY}`]],
    ['a wrong key, then the key', 'key_repeated', [`${NAME}: ${OTHER_KEY}`, `${NAME}: ${KEY}`]],
    ['the key, then a wrong key', 'key_repeated', [`${NAME}: ${KEY}`, `${NAME}: ${OTHER_KEY}`]],
    ['the key elsewhere', 'key_missing', [`authorization: Bearer ${KEY}`, `cookie: ${NAME}=${KEY}`]],
    ['the name with underscores', 'key_missing', [`${NAME.replaceAll('-', '_')}: ${KEY}`]],
    ['the key as a header to drop', 'key_missing', [`connection: ${NAME}`]],
  ];

  it.each(unproven)('%s: 503, and the sandbox is not dialed', async (_what, reason, lines) => {
    const host = hostOf(8080, 'locked');
    const answers = [
      await askOnce(at, get(host, lines)),
      await askOnce(at, bytesOf([`GET / HTTP/1.1`, `Host: ${host}`, ...handshake, ...lines])),
      await askOnce(
        at,
        bytesOf(
          ['POST / HTTP/1.1', `Host: ${host}`, 'Content-Length: 2', 'Expect: 100-continue', ...lines],
          'hi',
        ),
      ),
    ];
    for (const answer of answers) {
      expect(statusOf(answer)).toBe(503);
      expect(answer).toContain(UNAVAILABLE);
    }
    expect(refused).toEqual([reason, reason, reason]);
    expect([bridged, app.arrivals]).toEqual([0, []]);
  });

  it.each([
    ['a foreign domain', [`Host: 8080-locked.attacker.example`]],
    ['a domain that only ends alike', [`Host: 8080-locked.not${DOMAIN}`]],
    ['a name below the domain', [`Host: 8080-locked.a.${DOMAIN}`]],
    ['no domain', ['Host: 8080-locked']],
    ['an address', ['Host: 127.0.0.1', 'e2b-sandbox-id: locked', 'e2b-sandbox-port: 8080']],
    ['two hosts', [`Host: ${hostOf(8080, 'locked')}`, `Host: ${hostOf(8080, 'plain')}`]],
    ['two hosts in one line', [`Host: ${hostOf(8080, 'locked')},${hostOf(8080, 'plain')}`]],
    ['a port with a zero', [`Host: 08080-locked.${DOMAIN}`]],
  ])('the key, but %s: 503, and the sandbox is not dialed', async (_what, lines) => {
    const answer = await askOnce(at, bytesOf(['GET / HTTP/1.1', ...lines, `${NAME}: ${KEY}`]));
    expect(statusOf(answer)).toBe(503);
    expect(refused).toEqual(['host_invalid']);
    expect(bridged).toBe(0);
  });

  it('CONNECT ends the connection', async () => {
    const head = [`CONNECT ${hostOf(8080, 'locked')}:80 HTTP/1.1`, `Host: ${hostOf(8080, 'locked')}`];
    expect(await askOnce(at, bytesOf([...head, `${NAME}: ${KEY}`]))).toBe('');
    expect(bridged).toBe(0);
  });

  it('a request after an admitted one on the same connection needs the key again', async () => {
    const host = hostOf(8080, 'locked');
    const first = bytesOf(['GET /first HTTP/1.1', `Host: ${host}`, `${NAME}: ${KEY}`]);
    const socket = connect(at.port, at.host).setEncoding('latin1');
    const received = await new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (chunk: string) => {
        text += chunk;
        if (text.endsWith(UNAVAILABLE)) resolve(text);
      });
      socket.on('close', () => resolve(text));
      socket.write(first + bytesOf(['GET /second HTTP/1.1', `Host: ${host}`]));
    });
    socket.destroy();
    expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 503']);
    expect(app.arrivals.map(({ url }) => url)).toEqual(['/first']);
  });
});

describe('C13: the node proxy key', () => {
  const host = hostOf(8080, 'locked');

  it('lets requests pass that passed the gate, and never reaches the sandbox', async () => {
    const own = { ...withToken, [NAME]: 'forged' };
    const nominated = { ...withToken, connection: `keep-alive, ${NAME}` };
    expect((await ask(stack.http, { host })).status).toBe(403);
    for (const headers of [withToken, own, nominated]) {
      expect((await ask(stack.http, { host, headers })).status).toBe(200);
    }
    for (const headers of [withToken, own]) {
      expect((await askHttp2(stack.http, { host, headers })).status).toBe(200);
      expect(await askWebSocket(stack.http, { host, headers })).toMatchObject({ status: 101, body: ECHOED });
      expect(await askWebSocketHttp2(stack.http, { host, headers })).toMatchObject({ body: ECHOED });
    }
    const dropping = { ...withToken, connection: `Upgrade, ${NAME}` };
    expect((await askWebSocket(stack.http, { host, headers: dropping })).status).toBe(101);
    expect(app.arrivals).toHaveLength(10);
    expect(app.arrivals.flatMap(keysIn)).toEqual([]);
    expect(JSON.stringify(app.arrivals)).not.toContain(KEY);
    expect(refused).toEqual([]);
  });

  it('is sent once on a route with a port, and never on a direct one, before and after a change of the route', async () => {
    const asked = hostOf(direct.port, 'moving');
    for (const port of [undefined, direct.port, undefined]) {
      await stack.put(publicSandbox('moving', { runtime: { route: { address: '127.0.0.1', port } } }));
      for (const send of [ask, askHttp2, ask]) {
        expect((await send(stack.http, { host: asked, headers: { [NAME]: 'forged' } })).status).toBe(200);
      }
    }
    expect(direct.arrivals.map(keysIn)).toEqual([
      ...Array(3).fill([]),
      ...Array(3).fill([KEY]),
      ...Array(3).fill([]),
    ]);
  });
});

describe('C13: a gate whose key cannot be used', () => {
  it.each(['', 'too-short', `${'k'.repeat(31)} `, `${'ä'.repeat(40)}`, 'x'.repeat(513)])(
    'does not start, and does not say what is in the file (%j)',
    async (text) => {
      const nodeProxyKeyFile = join(folder, 'bad');
      writeFileSync(nodeProxyKeyFile, text);
      const stateDir = mkdtempSync(join(tmpdir(), 'sandgate-test-'));
      const flags = { stateDir, sandboxCidrs: '127.0.0.0/8', ops: '127.0.0.1:0', nodeProxyKeyFile };
      const settings = readSettings('serve', flags, { baseDir: stateDir, ipv6Loopback: false }, {});
      const error = await startGate(settings, pino({ level: 'silent' })).catch((thrown) => thrown);
      expect(error.code).toBe('SETTINGS_INVALID');
      expect(error.message).toMatch(/^SANDGATE_NODE_PROXY_KEY_FILE /);
      if (text !== '') expect(error.message).not.toContain(text.trim());
      rmSync(stateDir, { recursive: true });
    },
  );
});

describe('C13: a gate with another key', () => {
  it.each([ask, askHttp2, askWebSocket])('gets the contract’s 503, not a closed port (%o)', async (send) => {
    const answer = await send(stranger.http, { host: hostOf(8080, 'locked'), headers: withToken });
    expect(answer).toMatchObject({ status: 503, body: UNAVAILABLE });
    expect(refused).toEqual(['key_wrong']);
    expect(bridged).toBe(0);
  });
});

describe('C14: a direct route whose request names the port of the node proxy, with a mask that names another sandbox', () => {
  const posing = () => ({ host: hostOf(proxy.port, 'posing') });

  it('is not dialed, because the gate knows the node proxy', async () => {
    for (const send of [ask, askHttp2]) {
      const { status, headers } = await send(stack.http, posing());
      expect([status, headers['x-sandgate-reason']]).toEqual([502, 'port_closed']);
    }
    expect(stack.logs()).toContain('"detail":"node_proxy"');
    expect([refused, bridged]).toEqual([[], 0]);
  });

  it('is refused by the node proxy if the gate does not know it, because there is no key', async () => {
    for (const send of [ask, askHttp2, askWebSocket]) {
      expect(await send(stranger.http, posing())).toMatchObject({ status: 503, body: UNAVAILABLE });
    }
    expect(refused).toEqual(Array(3).fill('key_missing'));
    expect(bridged).toBe(0);
  });
});

describe('C13: the node proxy key, once Envoy has ended', () => {
  const host = hostOf(8080, 'locked');

  it('is not in any log or answer, even if node proxy and gate disagree', async () => {
    for (const one of [stack, stranger]) {
      const answers = [
        await ask(one.http, { host, headers: withToken }),
        await ask(one.http, { host }),
        await ask(one.http, { host: hostOf(8080, 'gone') }),
      ];
      const page = await (await fetch(`http://${one.gate.ops.host}:${one.gate.ops.port}/readyz`)).text();
      // Envoy buffers its access log, and writes all of it when it exits.
      await one.envoy.stop(5000);
      const said = `${JSON.stringify(answers)}${page}${one.logs()}`;
      expect(said).not.toContain(KEY);
      expect(said).not.toContain(OTHER_KEY);
    }
  });
});
