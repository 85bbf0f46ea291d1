import { createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ask, askHttp2, openWebSocket } from '../../stack/client.ts';
import { hostOf, TOKEN } from '../../stack/test-stack.ts';
import { bytesOf, openRaw, statusesOf } from '../raw-http1.ts';
import { openScene, type Sandbox, type Scene } from '../scene.ts';

let scene: Scene;
let locked: Sandbox;
let other: Sandbox;
/** On the address of `locked`. Each head that arrives is noted, and `treat` decides what happens. */
let rough: Server;
let host: string;
let heads: string[] = [];
let treat: (socket: Socket) => void;
beforeAll(async () => {
  scene = await openScene();
  locked = await scene.restricted('locked');
  other = await scene.restricted('other');
  rough = createServer((socket) => {
    socket.on('error', () => {});
    socket.setEncoding('latin1').on('data', (text: string) => {
      heads.push(...(text.match(/^[A-Z]+ \S+ HTTP\/1\.1/gm) ?? []));
      treat(socket);
    });
  });
  await new Promise<void>((resolve) => rough.listen(0, locked.address, resolve));
  host = hostOf((rough.address() as { port: number }).port, 'locked');
});
beforeEach(() => {
  heads = [];
  scene.forget();
});
afterAll(async () => {
  await scene?.close();
  rough?.close();
});

const headers = { 'e2b-traffic-access-token': TOKEN };
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

describe('B9: a request that kills its server', () => {
  const WIRES = [
    ['HTTP/1.1', ask],
    ['HTTP/2', askHttp2],
  ] as const;
  const answersFirst = () => {
    let answered = false;
    return (socket: Socket) => {
      if (answered) return void socket.destroy();
      answered = true;
      socket.write(OK);
    };
  };

  it.each(WIRES)('is sent twice at most if its method is safe, over %s', async (_wire, send) => {
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      treat = (socket) => socket.destroy();
      expect((await send(scene.stack.http, { host, headers, method })).status).toBe(502);
      expect(heads.splice(0)).toEqual([`${method} / HTTP/1.1`, `${method} / HTTP/1.1`]);
      // The same over a connection that was kept.
      treat = answersFirst();
      expect((await send(scene.stack.http, { host, headers, method })).status).toBe(200);
      heads.length = 0;
      expect((await send(scene.stack.http, { host, headers, method })).status).toBe(502);
      expect(heads.splice(0)).toHaveLength(2);
    }
  });

  it.each(WIRES)('is sent once if its method is not, over %s', async (_wire, send) => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND']) {
      for (const body of ['', 'x', 'x'.repeat(300_000)]) {
        treat = (socket) => socket.destroy();
        await send(scene.stack.http, { host, headers, method, body }).catch(() => {});
        expect(heads.splice(0).length, method).toBeLessThanOrEqual(1);
        treat = answersFirst();
        await send(scene.stack.http, { host, headers, method, body }).catch(() => {});
        heads.length = 0;
        await send(scene.stack.http, { host, headers, method, body }).catch(() => {});
        expect(heads.splice(0).length, method).toBeLessThanOrEqual(1);
      }
    }
  });

  it('is sent once if it is an upgrade', async () => {
    treat = (socket) => socket.destroy();
    expect(await openWebSocket(scene.stack.http, { host, headers })).toMatchObject({ status: 502 });
    expect(heads).toHaveLength(1);
  });

  it("cannot be multiplied by a client's own retry headers", async () => {
    treat = (socket) => socket.destroy();
    const asking = {
      'x-envoy-retry-on': '5xx,reset',
      'x-envoy-max-retries': '50',
      'x-envoy-hedge-on-per-try-timeout': 'true',
      'x-envoy-upstream-rq-per-try-timeout-ms': '1',
    };
    for (const [method, most] of [
      ['GET', 2],
      ['POST', 1],
    ] as const) {
      await ask(scene.stack.http, { host, headers: { ...headers, ...asking }, method });
      expect(heads.splice(0)).toHaveLength(most);
    }
  });
});

describe('B10: an answer of a sandbox that frames itself twice', () => {
  it.each([
    ['less', 'Content-Length: 2\r\nTransfer-Encoding: chunked'],
    ['more', 'Transfer-Encoding: chunked\r\nContent-Length: 9999'],
    ['twice', 'Content-Length: 2\r\nContent-Length: 99'],
  ])('never answers the next request of the connection: %s', async (_, framing) => {
    const body = `5\r\nhello\r\n0\r\n\r\n${OK.replace('ok', 'no')}`;
    treat = (socket) => void socket.write(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n${body}`);
    const raw = await openRaw(scene.stack.http);
    const token = `e2b-traffic-access-token: ${TOKEN}`;
    raw.send(bytesOf(['GET /1 HTTP/1.1', `Host: ${host}`, token]));
    raw.send(bytesOf(['GET /2 HTTP/1.1', `Host: ${other.host}`, token]));
    raw.send(bytesOf(['GET /3 HTTP/1.1', `Host: ${other.host}`, 'Connection: close']));
    const answers = await raw.until(/^connection: close\r\n(.+\r\n)*\r\n/im);
    raw.socket.destroy();
    expect(statusesOf(answers).slice(1)).toEqual([200, 403]);
    expect(other.app.arrivals.map(({ url }) => url)).toEqual(['/2']);
    expect(answers).not.toContain('\r\n\r\nno');
    for (const head of answers.split('\r\n\r\n')) {
      expect(/^content-length:/im.test(head) && /^transfer-encoding:/im.test(head)).toBe(false);
    }
  });
});
