import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../stack/eventually.ts';
import { hostOf, OTHER_TOKEN, publicSandbox, restricted, TOKEN } from '../../stack/test-stack.ts';
import { bytesOf, openRaw } from '../raw-http1.ts';
import { openScene, type Scene } from '../scene.ts';

const NAME = 'e2b-traffic-access-token';

let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
});
afterAll(() => scene?.close());

describe('B11: a tcp upgrade, as Docker sends it', () => {
  /** Like the Docker daemon: answers 101 in its own words, then raw bytes both ways, each line echoed. */
  let docker: Server;
  /** What it received, by connection. */
  let received: string[];
  let closed: number;

  beforeAll(async () => {
    docker = createServer((socket) => {
      const at = received.push('') - 1;
      socket.on('error', () => {});
      socket.on('close', () => {
        closed++;
      });
      socket.on('data', (bytes) => {
        const text = bytes.toString('latin1');
        const isHead = received[at] === '' && text.includes('HTTP/1.1\r\n');
        received[at] += text;
        if (!isHead) return void socket.write(`<${text}>`, 'latin1');
        const kept = !text.startsWith('POST /containers');
        if (kept) return void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello');
        socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nbanner');
      });
    });
    docker.listen(0, '127.0.0.1');
    await once(docker, 'listening');
    const { port } = docker.address() as AddressInfo;
    const route = { address: '127.0.0.1' };
    await scene.stack.put(
      restricted('dockerlocked', { runtime: { route } }),
      publicSandbox('dockeropen', { runtime: { route } }),
    );
    hosts = { locked: hostOf(port, 'dockerlocked'), open: hostOf(port, 'dockeropen') };
  });
  beforeEach(() => {
    received = [];
    closed = 0;
  });
  afterAll(() => void docker?.close());

  let hosts: { locked: string; open: string };
  const attach = (host: string, lines: string[] = [], rest = '', path = '/containers/1/attach') =>
    bytesOf(
      [`POST ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: Upgrade', 'Upgrade: tcp', ...lines],
      rest,
    );

  it('carries raw bytes both ways, with the token or to a public port', async () => {
    for (const [host, lines] of [
      [hosts.locked, [`${NAME}: ${TOKEN}`]],
      [hosts.open, ['Content-Length: 0']],
    ] as const) {
      const raw = await openRaw(scene.stack.http);
      raw.send(attach(host, [...lines]));
      expect(await raw.until('banner')).toMatch(/^HTTP\/1\.1 101 /);
      raw.send('\x01\x00\xffraw');
      await raw.until('<\x01\x00\xffraw>');
      raw.socket.destroy();
    }
    for (const text of received) expect(text).not.toContain(TOKEN);
  });

  it('without the token is a 403, and neither it nor the bytes behind it arrive', async () => {
    for (const lines of [[], [`${NAME}: ${OTHER_TOKEN}`], ['Content-Length: 4']]) {
      const raw = await openRaw(scene.stack.http);
      raw.send(attach(hosts.locked, lines, 'raw!'));
      const text = await raw.until('"code":403}');
      expect(text).toMatch(/x-sandgate-reason: token_(missing|invalid)\r\n/);
      raw.socket.destroy();
    }
    expect(received).toEqual([]);
  });

  it('with a body is refused in words that no one takes for a bad token', async () => {
    for (const [host, lines] of [
      [hosts.locked, [`${NAME}: ${TOKEN}`]],
      [hosts.open, []],
    ] as const) {
      const body = '{"Detach":false,"Tty":true}';
      const raw = await openRaw(scene.stack.http);
      raw.send(attach(host, [...lines, `Content-Length: ${body.length}`], body, '/exec/1/start'));
      const text = await raw.until('without a body\n');
      expect(text).toMatch(/^HTTP\/1\.1 400 [\s\S]*\r\nx-sandgate-reason: upgrade_refused\r\n/);
      raw.socket.destroy();
    }
    expect(received).toEqual([]);
  });

  it('that the sandbox does not accept carries no request behind it, and its connection is not used again', async () => {
    const smuggled = `GET /smuggled HTTP/1.1\r\nHost: ${hosts.open}\r\n\r\n`;
    for (const upgrade of ['tcp', 'websocket']) {
      const raw = await openRaw(scene.stack.http);
      raw.send(attach(hosts.open, [], smuggled, '/plain').replace('Upgrade: tcp', `Upgrade: ${upgrade}`));
      expect(await raw.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
      raw.socket.destroy();
    }
    await eventually(() => expect(closed).toBe(2));
    expect(received).toHaveLength(2);
    for (const text of received) expect(text).not.toContain('smuggled');
  });
});
