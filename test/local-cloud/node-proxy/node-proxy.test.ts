import { createHash } from 'node:crypto';
import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Sandbox } from '../../../local-cloud/sandbox/sandbox.ts';
import { answerFor } from '../../../src/decision/answer.ts';
import { requestOf } from '../../decision/request.ts';
import { describeWith } from '../../machine.ts';
import { ask, askHttp2, askRaw } from '../../stack/client.ts';
import { eventually } from '../../stack/eventually.ts';
import { digestOf, hostOf, TOKEN } from '../../stack/test-stack.ts';
import { askWebSocket, askWebSocketHttp2, ECHOED } from '../../stack/websocket.ts';
import { run } from '../stand-in/inside.ts';
import { type Neighbourhood, NODE_PROXY_KEY, startNeighbourhood } from '../stand-in/neighbourhood.ts';

let place: Neighbourhood;
let one: Sandbox;
let two: Sandbox;

describeWith('isolation', 'the node proxy', () => {
  beforeAll(async () => {
    place = await startNeighbourhood();
    [one, two] = await Promise.all([
      place.add('one', {
        access: { allowPublicTraffic: false, tokens: [{ id: 'default', sha256: digestOf(TOKEN) }] },
      }),
      place.add('two'),
    ]);
    await place.add('masked', { mask: `localhost:\${PORT}` });
    await Promise.all([place.serve(one, 8080), place.serve(two, 8080), place.serve(two, 8081)]);
    await place.serve(place.sandboxes.get('masked')!, 8080);
  });
  afterAll(() => place.stop());

  const KEY = `X-Sandgate-Node-Proxy-Key: ${NODE_PROXY_KEY}`;
  const withToken = { 'e2b-traffic-access-token': TOKEN };
  const http = () => place.stack.http;

  it('sends each request to its own sandbox, even if both listen on 127.0.0.1:8080', async () => {
    const first = await ask(http(), { host: hostOf(8080, 'one'), headers: withToken });
    const second = await ask(http(), { host: hostOf(8080, 'two') });
    expect([first, second].map(({ status, body }) => [status, JSON.parse(body).name])).toEqual([
      [207, 'one'],
      [207, 'two'],
    ]);
    expect((await ask(http(), { host: hostOf(8080, 'one') })).status).toBe(403);
  });

  it('passes the client’s Host to the sandbox, and the response to the client unchanged', async () => {
    const answered = await ask(http(), {
      host: '8080-TWO-legacy.e2b.localhost:3002',
      path: '/a/../b?c=%20',
      headers: { 'x-own': 'ä', cookie: 'k=v', 'x-forwarded-host': 'evil' },
    });
    const { raw, url } = JSON.parse(answered.body);
    expect(pairs(raw, 'host')).toEqual([['Host', '8080-TWO-legacy.e2b.localhost:3002']]);
    expect(pairs(raw, 'x-forwarded-host')).toEqual([]);
    expect(pairs(raw, 'x-sandgate-node-proxy-key')).toEqual([]);
    expect(pairs(raw, 'cookie')).toEqual([['Cookie', 'k=v']]);
    expect(pairs(raw, 'x-own')).toEqual([['X-Own', 'ä']]);
    expect(url).toBe('/a/../b?c=%20');
    expect(answered.headers['set-cookie']).toEqual(['a=1', 'b=2']);
    expect(answered.headers['x-mixed-case']).toBe('kept');
  });

  it('applies the mask and passes on the client’s Host, but never on 49983', async () => {
    const { raw } = JSON.parse((await ask(http(), { host: hostOf(8080, 'masked') })).body);
    expect(pairs(raw, 'host')).toEqual([['Host', 'localhost:8080']]);
    expect(pairs(raw, 'x-forwarded-host')).toEqual([['X-Forwarded-Host', hostOf(8080, 'masked')]]);

    const agent = await ask(http(), { host: hostOf(49983, 'masked'), path: '/started' });
    expect(JSON.parse(agent.body)).toMatchObject({ host: hostOf(49983, 'masked'), forwarded: null });
  });

  it('does not send a request to another sandbox that a mask names', async () => {
    const posing = await place.add('posing', { mask: hostOf(8080, 'one') });
    await place.serve(posing, 8080);
    const { name, raw } = JSON.parse((await ask(http(), { host: hostOf(8080, 'posing') })).body);
    expect([name, pairs(raw, 'host')]).toEqual(['posing', [['Host', hostOf(8080, 'one')]]]);
  });

  it.each(['', 'navigate'])(
    'answers a closed port with the contract’s page, byte for byte (%j)',
    async (mode) => {
      const headers = {
        accept: mode ? 'text/html' : '*/*',
        'user-agent': mode ? 'Mozilla/5.0' : 'sdk',
        'sec-fetch-mode': mode || 'cors',
      };
      const answered = await ask(http(), { host: hostOf(9999, 'two'), headers });
      const wanted = answerFor(
        { kind: 'deny', reason: 'port_closed', sandboxId: 'two', port: 9999 },
        requestOf({
          accept: headers.accept,
          userAgent: headers['user-agent'],
          secFetchMode: headers['sec-fetch-mode'],
        }),
      );
      expect(answered.status).toBe(502);
      expect(answered.body).toBe(wanted.body);
      expect(answered.headers).toMatchObject(Object.fromEntries(wanted.headers));
    },
  );

  it('waits for a server that listens late, and then passes on the upload', async () => {
    await place.serve(two, 8090, 'sleep 0.8;');
    const body = 'u'.repeat(1_000_000);
    const answered = await ask(http(), { host: hostOf(8090, 'two'), method: 'POST', path: '/upload', body });
    expect(answered).toMatchObject({ status: 200, body: createHash('sha256').update(body).digest('hex') });
  });

  it('passes WebSockets over HTTP/1.1 and HTTP/2, and a response that refuses one', async () => {
    expect(await askWebSocket(http(), { host: hostOf(8080, 'two') })).toMatchObject({
      status: 101,
      body: ECHOED,
    });
    expect(await askWebSocketHttp2(http(), { host: hostOf(8080, 'two') })).toMatchObject({
      status: 200,
      body: ECHOED,
    });
    const refused = await askWebSocket(http(), { host: hostOf(8080, 'two'), path: '/no' });
    expect(refused).toMatchObject({ status: 418, body: 'no!', headers: { 'x-why': 'tea' } });
    expect((await askWebSocket(http(), { host: hostOf(9999, 'two') })).status).toBe(502);
  });

  it('passes server-sent events as they arrive, and closes the connection when the client leaves', async () => {
    const first = await new Promise<string>((resolve, reject) => {
      const asked = httpRequest(
        { ...http(), path: '/events', headers: { host: hostOf(8080, 'two') } },
        (answer) => {
          answer.setEncoding('utf8').once('data', (text: string) => {
            resolve(text);
            asked.destroy();
          });
        },
      );
      asked.on('error', reject).end();
    });
    expect(first).toBe('data: first\n\n');
    await eventually(async () => expect((await run(two, 'cat /tmp/server-8080')).out).toContain('gone'));
  });

  it('passes chunked uploads and long downloads completely', async () => {
    const parts = Array.from({ length: 50 }, (_, n) => Buffer.alloc(100_000, String(n % 10)));
    const digest = await new Promise<string>((resolve, reject) => {
      const asked = httpRequest(
        {
          ...http(),
          method: 'PUT',
          path: '/upload',
          headers: { host: hostOf(8080, 'two'), 'transfer-encoding': 'chunked' },
        },
        (answer) => answer.setEncoding('utf8').once('data', resolve),
      );
      asked.on('error', reject);
      for (const part of parts) asked.write(part);
      asked.end();
    });
    expect(digest).toBe(createHash('sha256').update(Buffer.concat(parts)).digest('hex'));
    const got = await ask(http(), { host: hostOf(8080, 'two'), path: '/download' });
    expect(got.body).toBe('x'.repeat(5_000_000));
    const viaHttp2 = await askHttp2(http(), { host: hostOf(8080, 'two'), path: '/download' });
    expect(viaHttp2.body.length).toBe(5_000_000);
  });

  it('separates ports on one keep-alive connection from Envoy, and answers HEAD and 413 as the server does', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const get = (port: number, method = 'GET', path = '/') =>
      new Promise<{ status: number; raw: string[]; body: string }>((resolve, reject) => {
        const asked = httpRequest(
          { ...http(), agent, method, path, headers: { host: hostOf(port, 'two') } },
          (answer) => {
            let body = '';
            answer.setEncoding('utf8').on('data', (part: string) => {
              body += part;
            });
            answer.on('end', () => resolve({ status: answer.statusCode ?? 0, raw: [], body }));
          },
        );
        asked.on('error', reject).end();
      });
    for (const port of [8080, 8081, 8080, 8081]) {
      expect(pairs(JSON.parse((await get(port)).body).raw, 'host')).toEqual([['Host', hostOf(port, 'two')]]);
    }
    expect(await get(8080, 'HEAD')).toMatchObject({ status: 207, body: '' });
    agent.destroy();
    const early = await ask(http(), {
      host: hostOf(8080, 'two'),
      method: 'POST',
      path: '/early',
      body: 'x'.repeat(100_000),
    });
    expect(early).toMatchObject({ status: 413, body: 'too much' });
  });

  it('passes what Envoy passes: chunks with a length, lines that end in LF', async () => {
    for (const path of ['/both-lengths', '/bare-lines']) {
      const answered = await ask(http(), { host: hostOf(8080, 'two'), path });
      expect([path, answered.status, answered.body]).toEqual([path, 200, 'ok']);
    }
  });

  it('breaks off when the server does: 502 before its response, a truncated response within it', async () => {
    for (const path of ['/broken', '/odd-status', '/odd-switch', '/not-http']) {
      // A safe method would be tried again, and have the reason of a closed port.
      const broken = await ask(http(), { host: hostOf(8080, 'two'), method: 'POST', path });
      expect([path, broken.status, broken.headers['x-sandgate-reason']]).toEqual([
        path,
        502,
        'upstream_failed',
      ]);
    }
    await expect(ask(http(), { host: hostOf(8080, 'two'), path: '/cut' })).rejects.toThrow('aborted');
  });

  it('answers Expect: 100-continue with the sandbox’s own response, if Envoy passes it on', async () => {
    const said = await askRaw(
      { host: '127.0.0.1', port: place.proxy.port },
      `POST /upload HTTP/1.1\r\nHost: ${hostOf(8080, 'two')}\r\n${KEY}\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi`,
    );
    expect(said).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
  });

  it.each([`Host: ${hostOf(8080, 'nobody')}`, `Host: ${hostOf(9999, 'two')}`])(
    'cuts off a request that cannot be forwarded (%s)',
    async (host) => {
      const at = { host: '127.0.0.1', port: place.proxy.port };
      expect(await askRaw(at, `GET / HTTP/1.1\r\n${host}\r\n${KEY}\r\n\r\n`)).toBe('');
    },
  );

  it('cannot be reached from within a sandbox', async () => {
    const told = await run(
      one,
      `python -c 'import socket; socket.create_connection(("127.0.0.1", ${place.proxy.port}))'`,
    );
    expect(told.out).toContain('ConnectionRefusedError');
  });

  it('cuts the streams of a sandbox that ends, and answers 502 from then on', async () => {
    const ending = await place.add('ending');
    await place.serve(ending, 8080);
    await ask(http(), { host: hostOf(8080, 'ending') });
    const socket = connect(http().port, http().host);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const events = new Promise((resolve) => socket.once('data', resolve));
    socket.on('error', () => {});
    socket.write(`GET /events HTTP/1.1\r\nHost: ${hostOf(8080, 'ending')}\r\n\r\n`);
    await events;
    socket.resume();
    await ending.end();
    await closed;
    expect((await ask(http(), { host: hostOf(8080, 'ending') })).status).toBe(502);
  });

  /** The headers with that name, as they arrived. */
  function pairs(raw: string[], name: string): [string, string][] {
    return raw.flatMap((text, n) =>
      n % 2 === 0 && text.toLowerCase() === name ? [[text, raw[n + 1]!] as [string, string]] : [],
    );
  }
});
