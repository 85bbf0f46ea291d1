import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type Recorder, startRecorder } from '../stack/recorder.ts';
import { hostOf, restricted, startTestStack, type TestStack, TOKEN } from '../stack/test-stack.ts';
import { missing } from './cases.ts';

let stack: TestStack;
let recorder: Recorder;
let host: string;
let tls: ConnectionOptions;

beforeAll(async () => {
  recorder = await startRecorder();
  stack = await startTestStack();
  await stack.put(restricted('abc'));
  host = hostOf(recorder.port, 'abc');
  tls = { ...stack.https, servername: host, ca: readFileSync(stack.ca) };
});

afterAll(async () => {
  await stack?.stop();
  await recorder?.close();
});

const WITH_TOKEN = { 'e2b-traffic-access-token': TOKEN };

async function open(over: ConnectionOptions): Promise<TLSSocket> {
  const socket = connectTls({ ...tls, ...over });
  await once(socket, 'secureConnect');
  return socket;
}

/** A GET on a connection that offers only this protocol. */
async function get(protocol: 'h2' | 'http/1.1', headers: Record<string, string>) {
  const socket = await open({ ALPNProtocols: [protocol] });
  expect(socket.alpnProtocol).toBe(protocol);
  try {
    if (protocol === 'http/1.1') {
      const request = httpsRequest({ createConnection: () => socket, headers: { host, ...headers } });
      const [response] = await once(request.end(), 'response');
      return { status: response.statusCode, body: (await response.toArray()).join('') };
    }
    const session = connectHttp2(`https://${host}`, { createConnection: () => socket });
    const stream = session.request({ ':authority': host, ':path': '/', ...headers });
    const [response] = await once(stream, 'response');
    return { status: response[':status'], body: (await stream.toArray()).join('') };
  } finally {
    socket.destroy();
  }
}

describe.each(['h2', 'http/1.1'] as const)('https with %s', (protocol) => {
  it('reaches the sandbox with its token, and X-Forwarded-Proto is https', async () => {
    recorder.arrivals.length = 0;
    expect(await get(protocol, WITH_TOKEN)).toEqual({ status: 200, body: 'hello' });
    expect(recorder.arrivals).toMatchObject([{ headers: { host, 'x-forwarded-proto': 'https' } }]);
  });

  it('is denied without a token', async () => {
    recorder.arrivals.length = 0;
    const { status, body } = missing('abc');
    expect(await get(protocol, {})).toEqual({ status, body });
    expect(recorder.arrivals).toEqual([]);
  });
});

it('prefers h2 if the client accepts both', async () => {
  const socket = await open({ ALPNProtocols: ['http/1.1', 'h2'] });
  expect(socket.alpnProtocol).toBe('h2');
  socket.destroy();
});

it('carries a WebSocket', async () => {
  const socket = new WebSocket(`wss://${host}`, {
    createConnection: () => connectTls(tls),
    headers: WITH_TOKEN,
  });
  await once(socket, 'open');
  socket.send('hi');
  expect(String((await once(socket, 'message'))[0])).toBe('hi');
  socket.terminate();
});

it('presents a certificate that only a client with the CA trusts', async () => {
  await expect(open({ ca: [] })).rejects.toMatchObject({
    code: expect.stringMatching(/^(UNABLE|SELF|DEPTH)_/),
  });
});

it('presents a certificate for the names of the sandboxes, and for no other name', async () => {
  await expect(open({ servername: '8080-abc.other.example' })).rejects.toMatchObject({
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  });
});
