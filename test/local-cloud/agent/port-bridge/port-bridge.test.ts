import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type PortBridge, startPortBridge } from '../../../../local-cloud/agent/port-bridge/port-bridge.ts';
import { closedPort } from '../../../stack/closed-port.ts';
import { eventually } from '../../../stack/eventually.ts';

/** Reads until the end; unlike a stream consumer, leaves the socket open for writing. */
function text(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let heard = '';
    socket.on('data', (bytes) => {
      heard += bytes;
    });
    socket.once('end', () => resolve(heard));
  });
}

describe('the port bridge', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sandgate-bridge-'));
  const path = join(folder, 'bridge.sock');
  let bridge: PortBridge;
  const servers: Server[] = [];
  beforeAll(async () => {
    bridge = await startPortBridge({ path });
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
  });
  afterAll(() => {
    bridge.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A server on a free port of the loopback. */
  async function serve(onSocket: (socket: Socket) => void, host = '127.0.0.1'): Promise<number> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {});
      onSocket(socket);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    return (server.address() as AddressInfo).port;
  }

  function dial(first: string | Buffer): Socket {
    const socket = connect({ path, allowHalfOpen: true });
    socket.on('error', () => {});
    socket.write(first);
    return socket;
  }

  it.each(['127.0.0.1', '::1'])('passes bytes to a port of %s in both directions', async (host) => {
    const port = await serve((socket) => socket.pipe(socket), host);
    const client = dial(`PORT ${port}\n`);
    const payload = Buffer.alloc(3_000_000, 'x');
    client.end(payload);
    const answer = await text(client);
    expect(answer.slice(0, 3)).toBe('OK\n');
    expect(answer.length).toBe(3 + payload.length);
  });

  it('passes on bytes that arrive with the first line, and accepts a line in pieces', async () => {
    const port = await serve((socket) => socket.pipe(socket));
    const client = dial('PO');
    await new Promise((resolve) => setImmediate(resolve));
    client.end(`RT ${port}\nhello`);
    expect(await text(client)).toBe('OK\nhello');
  });

  it('reports that nothing listens', async () => {
    expect(await text(dial(`PORT ${await closedPort()}\n`))).toBe('REFUSED\n');
  });

  it.each([
    'PORT 0\n',
    'PORT 65536\n',
    'PORT 080\n',
    'PORT -1\n',
    'GET / HTTP/1.1\r\n',
    'PORT 80',
    'x'.repeat(20),
  ])('refuses %j as a first line', async (line) => {
    const client = dial(line);
    client.end();
    expect(['ERROR EINVAL\n', '']).toContain(await text(client));
  });

  it('keeps each direction open after the other has ended', async () => {
    const port = await serve((socket) => {
      let request = '';
      socket.on('data', (bytes) => {
        request += bytes;
      });
      socket.on('end', () => socket.end(`after the end: ${request}`));
    });
    const client = dial(`PORT ${port}\n`);
    client.end('all I have');
    expect(await text(client)).toBe('OK\nafter the end: all I have');

    let heard = '';
    const talker = await serve((socket) => {
      socket.end('all from me');
      socket.on('data', (bytes) => {
        heard += bytes;
      });
    });
    const listener = dial(`PORT ${talker}\n`);
    expect(await text(listener)).toBe('OK\nall from me');
    listener.end('and still from me');
    await eventually(() => expect(heard).toBe('and still from me'));
  });

  it('breaks off one side if the other breaks off', async () => {
    const far: Socket[] = [];
    const port = await serve((socket) => far.push(socket));
    const leaving = dial(`PORT ${port}\n`);
    await eventually(() => expect(far.length).toBe(1));
    leaving.destroy();
    // A closed Unix socket looks half-closed until something is written to it; so does the reset that follows.
    await eventually(() => {
      far[0]!.resume().write('are you there?');
      expect(far[0]!.destroyed).toBe(true);
    });

    const staying = dial(`PORT ${port}\n`);
    const ended = new Promise((resolve) => staying.once('end', resolve));
    staying.resume();
    await eventually(() => expect(far.length).toBe(2));
    far[1]!.resetAndDestroy();
    await ended;
    staying.destroy();
  });

  it('replaces a dead socket, but not a live one', async () => {
    await expect(startPortBridge({ path })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});
