import { createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  closedPortPage,
  invalidTokenPage,
  PAGE_CSP,
  unreadableAnswerPage,
} from '../../src/decision/pages.ts';
import { closedPort } from '../stack/closed-port.ts';
import { PATIENCE_MS } from '../stack/patience.ts';
import { type Recorder, startRecorder } from '../stack/recorder.ts';
import { type RunningEnvoy, startRunningEnvoy } from './running-envoy.ts';
import { allow, answer, type StubGate, startStubGate } from './stub-gate.ts';

const COMMON = {
  'access-control-allow-origin': '*',
  'cache-control': 'no-store',
  vary: 'accept, sec-fetch-mode, user-agent',
};
const JSON_HEADERS = { ...COMMON, 'content-type': 'application/json; charset=utf-8' };
const HTML_HEADERS = {
  ...COMMON,
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': PAGE_CSP,
  'x-content-type-options': 'nosniff',
};
const CLOSED =
  '{"sandboxId":"abc","message":"The sandbox is running but port is not open","port":8080,"code":502}';
const UNREADABLE =
  '{"sandboxId":"abc","message":"The sandbox\'s answer could not be read","port":8080,"code":502}';
const AWAY = '{"message":"The access check is temporarily unavailable. Try again in a moment.","code":503}';
const UNAVAILABLE = { ...JSON_HEADERS, 'x-sandgate-reason': 'unavailable', 'retry-after': '1' };

/** A server that handles each request as the test says. */
let rough: Server;
let roughly: (socket: Socket) => void = () => {};
let quiet: Recorder;
let closed: string;
let running: RunningEnvoy;
let gate: StubGate;

beforeAll(async () => {
  running = await startRunningEnvoy();
  gate = await startStubGate(running.gateSocket);
  rough = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => roughly(socket));
  });
  await new Promise<void>((resolve) => rough.listen(0, '127.0.0.1', resolve));
  quiet = await startRecorder();
  quiet.answer = () => {};
  closed = `127.0.0.1:${await closedPort()}`;
  await running.envoy.waitForGate(PATIENCE_MS);
});

afterAll(async () => {
  await running?.stop();
  gate?.close();
  rough?.close();
  await quiet?.close();
});

const destinationOf = (server: Server) => `127.0.0.1:${(server.address() as { port: number }).port}`;

describe('a port that nothing listens on', () => {
  it('gets the JSON of the contract', async () => {
    gate.answer = () => allow({ destination: closed });
    const reply = await running.get();
    expect(reply).toMatchObject({ status: 502, body: CLOSED });
    expect(reply.headers).toMatchObject({ ...JSON_HEADERS, 'x-sandgate-reason': 'port_closed' });
    expect(reply.headers).not.toHaveProperty('content-security-policy');
  });

  it('gets a page if the gate recognized a browser', async () => {
    gate.answer = () => allow({ destination: closed, html: true });
    const reply = await running.get();
    expect(reply).toMatchObject({ status: 502, body: closedPortPage('abc', '8080') });
    expect(reply.headers).toMatchObject({ ...HTML_HEADERS, 'x-sandgate-reason': 'port_closed' });
  });

  it.each([undefined, 'nonsense', '', '127.0.0.1', 'localhost:80'])(
    'is also the answer to an allow for %j, which reaches no server',
    async (destination) => {
      gate.answer = () => allow({ destination });
      const forged = { 'x-envoy-original-dst-host': `127.0.0.1:${quiet.port}` };
      const reply = await running.get(forged);
      expect(reply).toMatchObject({ status: 502, body: CLOSED });
      expect(reply.headers['x-sandgate-reason']).toBe('port_closed');
      for (const length of [{ 'content-length': '1' }, { 'transfer-encoding': 'chunked' }]) {
        const upload = await running.get({ ...forged, ...length }, { method: 'POST', body: 'x' });
        expect(upload).toMatchObject({ status: 502, body: CLOSED });
      }
      expect(quiet.arrivals).toEqual([]);
    },
  );
});

describe('a server that fails before it answers', () => {
  it.each<[string, (socket: Socket) => void]>([
    ['closes', (socket) => socket.destroy()],
    ['resets', (socket) => socket.resetAndDestroy()],
  ])('gets the same body with its own reason if it %s', async (_, behave) => {
    roughly = behave;
    gate.answer = () => allow({ destination: destinationOf(rough) });
    const reply = await running.get({}, { method: 'POST' });
    expect(reply).toMatchObject({ status: 502, body: CLOSED });
    expect(reply.headers).toMatchObject({ ...JSON_HEADERS, 'x-sandgate-reason': 'upstream_failed' });
    gate.answer = () => allow({ destination: destinationOf(rough), html: true });
    expect((await running.get({}, { method: 'POST' })).body).toBe(closedPortPage('abc', '8080'));
    expect((await running.get()).body).toBe(closedPortPage('abc', '8080'));
  });
});

describe('an answer that Envoy cannot read', () => {
  it.each<[string, (socket: Socket) => void]>([
    ['no HTTP', (socket) => socket.write('SSH-2.0-x\r\n')],
    ['an endless head', (socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${'a'.repeat(100_000)}\r\n`)],
  ])('is never called a port that is not open: %s', async (_, behave) => {
    roughly = behave;
    gate.answer = () => allow({ destination: destinationOf(rough) });
    const reply = await running.get();
    expect(reply).toMatchObject({ status: 502, body: UNREADABLE });
    expect(reply.headers).toMatchObject({ ...JSON_HEADERS, 'x-sandgate-reason': 'upstream_protocol_error' });
    gate.answer = () => allow({ destination: destinationOf(rough), html: true });
    const page = await running.get();
    expect(page).toMatchObject({ status: 502, body: unreadableAnswerPage('abc', '8080') });
    expect(page.headers).toMatchObject({ ...HTML_HEADERS, 'x-sandgate-reason': 'upstream_protocol_error' });
  });
});

describe('a token that expires before the sandbox answers', () => {
  const expiring = (html: boolean) =>
    allow({
      destination: `127.0.0.1:${quiet.port}`,
      html,
      headers: { 'x-envoy-upstream-stream-duration-ms': '50' },
    });

  it('gets the 403 of an invalid token', async () => {
    gate.answer = () => expiring(false);
    const reply = await running.get();
    expect(reply).toMatchObject({
      status: 403,
      body: `{"sandboxId":"abc","message":"Sandbox is secured with traffic access token. Provided token in header 'e2b-traffic-access-token' is invalid","code":403}`,
    });
    expect(reply.headers).toMatchObject({ ...JSON_HEADERS, 'x-sandgate-reason': 'token_invalid' });
  });

  it('gets its page in a browser', async () => {
    gate.answer = () => expiring(true);
    const reply = await running.get();
    expect(reply).toMatchObject({ status: 403, body: invalidTokenPage('abc') });
    expect(reply.headers).toMatchObject({ ...HTML_HEADERS, 'x-sandgate-reason': 'token_invalid' });
  });
});

describe('an answer of the gate', () => {
  it.each([400, 403, 404, 409, 502, 503])('with status %i is passed on unchanged', async (status) => {
    const body = status === 204 ? '' : `{"code":${status}}`;
    gate.answer = () =>
      answer(status, { 'x-sandgate-reason': 'sandbox_not_found', 'content-type': 'text/x' }, body);
    const reply = await running.get();
    expect(reply).toMatchObject({ status, body });
    expect(reply.headers).toMatchObject({
      'x-sandgate-reason': 'sandbox_not_found',
      'content-type': 'text/x',
    });
    for (const name of ['retry-after', 'vary', 'cache-control'])
      expect(reply.headers).not.toHaveProperty(name);
  });
});

describe('a gate without a usable answer', () => {
  it.each<[string, () => object]>([
    [
      'an error',
      () => {
        throw new Error('broken');
      },
    ],
    [
      'an allow that changes a forbidden header',
      () => allow({ destination: `127.0.0.1:${quiet.port}`, headers: { cookie: 'a' } }),
    ],
    [
      'an allow that removes a forbidden header',
      () => allow({ destination: `127.0.0.1:${quiet.port}`, remove: ['cookie'] }),
    ],
  ])('gets the 503 of the contract: %s', async (_, said) => {
    const before = quiet.arrivals.length;
    gate.answer = said;
    const reply = await running.get({ cookie: 'a=b' });
    expect(reply).toMatchObject({ status: 503, body: AWAY });
    expect(reply.headers).toMatchObject(UNAVAILABLE);
    expect(quiet.arrivals).toHaveLength(before);
  });

  it('gets the same if there is no gate', async () => {
    const alone = await startRunningEnvoy();
    try {
      const reply = await alone.get({ accept: 'text/html', 'user-agent': 'Mozilla/5.0' });
      expect(reply).toMatchObject({ status: 503, body: AWAY });
      expect(reply.headers).toMatchObject(UNAVAILABLE);
    } finally {
      await alone.stop();
    }
  });
});
