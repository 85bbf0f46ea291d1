import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Answered, ask, askHttp2, type ClientRequest } from '../stack/client.ts';
import { inTime } from '../stack/in-time.ts';
import { digestOf, TOKEN } from '../stack/test-stack.ts';
import { closed, hostAt, ID, invalid, missing, OTHER, TITLED, UNAVAILABLE, WITH_TOKEN } from './cases.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { BROWSER, expectPage } from './page.ts';
import { headersOf, ownHeaders } from './wires.ts';

/** Of an answer that Envoy gives after the gate allowed the request by its token. */
const VARIES_BY_TOKEN = 'accept, sec-fetch-mode, user-agent,e2b-traffic-access-token';

let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet();
});

beforeEach(() => {
  fleet.takeArrivals();
});

afterAll(() => fleet?.stop());

const get = (request: ClientRequest, headers: Record<string, string> = {}): Promise<Answered> =>
  ask(fleet.stack.http, { ...request, headers: { ...request.headers, ...headers } });

const HTML = {
  'content-type': 'text/html; charset=utf-8',
  'x-content-type-options': 'nosniff',
  'content-security-policy': expect.any(String),
};

/** An answer without the parts that differ each time. */
const bytesOf = (answered: Answered) => ({
  status: answered.status,
  headers: ownHeaders(answered),
  body: answered.body,
});

// A port counts as closed only after a second of retries, so these run concurrently. None reaches a sandbox.
describe.concurrent('the answer', () => {
  it.each(TITLED.map(([title, one]) => [one.name, title, one] as const))(
    'to %s is JSON for a program and the page "%s" for a browser',
    async (_, title, { request, expected }) => {
      if ('at' in expected) throw new Error('not an answer');
      const [json, page] = await Promise.all([get(request), get(request, BROWSER)]);
      expect(bytesOf(json)).toEqual({
        status: expected.status,
        headers: headersOf(expected, request),
        body: expected.body,
      });
      expect(page.status).toBe(expected.status);
      expect(ownHeaders(page)).toEqual({ ...headersOf(expected, request), ...HTML });
      // The control-plane page names the path, as its JSON does, and not the sandbox.
      const names = expected.reason === 'control_plane_path' ? request.path! : request.host.split(/[-.]/)[1]!;
      expectPage(page, title, names);
      expect(fleet.takeArrivals()).toEqual([]);
    },
  );

  it('to a closed port names the port on the page too', async () => {
    const { body } = await get({ host: hostAt(OTHER, 9) }, BROWSER);
    expect(body).toContain('no service running on port 9');
  });

  it('to a closed port is the same for a restricted sandbox, and over HTTP/2', async () => {
    const request = { host: hostAt(ID, 1), headers: WITH_TOKEN };
    const expected = closed(ID, 1);
    const [json, http2, page] = await Promise.all([
      get(request),
      askHttp2(fleet.stack.http, request),
      get(request, BROWSER),
    ]);
    for (const answered of [json, http2]) {
      expect(bytesOf(answered)).toEqual({
        status: expected.status,
        headers: { ...headersOf(expected, request), vary: VARIES_BY_TOKEN },
        body: expected.body,
      });
    }
    expect(page.status).toBe(502);
    expect(ownHeaders(page)).toEqual({ ...headersOf(expected, request), ...HTML, vary: VARIES_BY_TOKEN });
    expectPage(page, 'Closed Port Error', ID);
    expect(page.body).toContain('no service running on port 1');
    expect(fleet.takeArrivals()).toEqual([]);
  });

  it('to an invalid target is plain text, even for a browser', async () => {
    const { status, headers, body } = await get({ host: `abcd-${ID}.e2b.app` }, BROWSER);
    expect({ status, body }).toEqual({ status: 400, body: 'Invalid sandbox port\n' });
    expect(headers['content-type']).toBe('text/plain; charset=utf-8');
  });
});

/** docs/contract.md §3: browsers get a page, from the gate and from Envoy. */
const NEGOTIATIONS: readonly [client: string, page: boolean, headers: Record<string, string>][] = [
  ['a browser that navigates', true, BROWSER],
  ['a browser that sends nothing but its name', true, { 'user-agent': 'Opera/9.80' }],
  ['a browser that accepts both', true, { ...BROWSER, accept: 'application/json, text/html' }],
  [
    'a browser that navigates, with X-Requested-With',
    true,
    { ...BROWSER, 'x-requested-with': 'XMLHttpRequest' },
  ],
  ['curl', false, { 'user-agent': 'curl/8.0', accept: '*/*' }],
  ['curl that accepts HTML', false, { 'user-agent': 'curl/8.0', accept: 'text/html' }],
  ['a client without these headers', false, {}],
  ['a browser that wants JSON', false, { ...BROWSER, accept: 'application/json' }],
  ...['cors', 'no-cors', 'same-origin', 'websocket'].map(
    (mode): [string, boolean, Record<string, string>] => [
      `a script in a browser (${mode})`,
      false,
      { ...BROWSER, 'sec-fetch-mode': mode },
    ],
  ),
  [
    'an old script in a browser',
    false,
    { 'user-agent': BROWSER['user-agent'], 'x-requested-with': 'XMLHttpRequest' },
  ],
];

describe.concurrent('whether a client gets a page', () => {
  it.each([
    ['the gate', ID, 8080],
    ['Envoy', OTHER, 9],
  ])('follows the same rules if the answer is from %s', async (_, sandboxId, port) => {
    const request = { host: hostAt(sandboxId, port) };
    const answered = await Promise.all(NEGOTIATIONS.map(([, , headers]) => get(request, headers)));
    expect(answered.map(({ body }, n) => [NEGOTIATIONS[n]![0], body.startsWith('<!DOCTYPE html>')])).toEqual(
      NEGOTIATIONS.map(([client, page]) => [client, page]),
    );
  });
});

const both = async (request: ClientRequest) =>
  (await Promise.all([get(request), get(request, BROWSER)])).map((answered) => bytesOf(answered));

describe.concurrent('an answer that both the gate and Envoy can give has the same bytes, as JSON and as a page,', () => {
  it('for a closed port', async () => {
    const { http } = fleet.stack;
    const put = (address: string) =>
      fleet.stack.put({
        sandboxId: 'both',
        runtime: { route: { address } },
        access: { allowPublicTraffic: true },
      });
    // At 127.0.0.1 the port is the gate's own listener, which it refuses; at the other address Envoy finds it closed.
    await put('127.0.0.1');
    const byGate = await both({ host: hostAt('both', http.port) });
    await put(fleet.addressOf('none'));
    expect(await both({ host: hostAt('both', http.port) })).toEqual(byGate);
    expect(byGate[0]).toMatchObject({ status: 502, body: closed('both', http.port).body });
  });
});

describe('an answer that both the gate and Envoy can give has the same bytes', () => {
  it('for a token that expires before the sandbox answers', async () => {
    const recorder = fleet.recorderOf('none', 8080);
    recorder.answer = () => {};
    const request = { host: hostAt('none'), headers: WITH_TOKEN };
    const byEnvoy = await inTime(async (livesMs) => {
      const expiresAt = new Date(Date.now() + livesMs).toISOString();
      await fleet.stack.put({
        sandboxId: 'none',
        runtime: { route: { address: fleet.addressOf('none') } },
        access: { tokens: [{ id: 'brief', sha256: digestOf(TOKEN), expiresAt }] },
      });
      const answered = await both(request);
      return fleet.takeArrivals().length === 2 ? answered : undefined;
    });
    const byGate = await both(request);
    expect(fleet.takeArrivals()).toEqual([]);
    const allowedFirst = byGate.map((one) => ({
      ...one,
      headers: { ...one.headers, vary: VARIES_BY_TOKEN },
    }));
    expect(byEnvoy).toEqual(allowedFirst);
    expect(byGate[0]).toMatchObject({ status: 403, body: invalid('none').body });
  });
});

describe('a server whose connection fails before it answers', () => {
  it('looks like a closed port to the client, but has a reason of its own', async () => {
    const recorder = fleet.recorderOf(OTHER, 3000);
    const { answer } = recorder;
    recorder.answer = (request) => request.socket.destroy();
    // A safe method is tried a second time, and has the reason of a port that refuses the second time.
    const json = await get({ host: hostAt(OTHER, 3000), method: 'POST' });
    const page = await get({ host: hostAt(OTHER, 3000), method: 'POST' }, BROWSER);
    recorder.answer = answer;
    const failed = { ...closed(OTHER, 3000), reason: 'upstream_failed' as const };
    expect(bytesOf(json)).toEqual({
      status: 502,
      headers: headersOf(failed, { host: '' }),
      body: failed.body,
    });
    expect(ownHeaders(page)).toMatchObject({ ...HTML, 'x-sandgate-reason': 'upstream_failed' });
    expectPage(page, 'Closed Port Error', OTHER);
    expect(page.body).toContain('no service running on port 3000');
  });
});

it('a HEAD request never gets a body', async () => {
  const { status, body, headers } = await ask(fleet.stack.http, { host: hostAt(ID), method: 'HEAD' });
  expect({ status, body }).toEqual({ status: 403, body: '' });
  expect(headers['content-length']).toBe(String(Buffer.byteLength(missing(ID).body)));
});

// Last, because no gate is running after this.
describe('without a gate', () => {
  it('every request gets the same 503 as from a gate that cannot decide, always as JSON', async () => {
    const byGate = await get({ host: hostAt('broken') });
    expect(bytesOf(byGate)).toEqual({
      status: 503,
      headers: headersOf(UNAVAILABLE, { host: '' }),
      body: UNAVAILABLE.body,
    });
    await fleet.stack.gate.close(AbortSignal.abort());
    const answers = [ID, OTHER, 'nobody', 'agent'].flatMap((sandboxId) => [
      get({ host: hostAt(sandboxId), headers: WITH_TOKEN }),
      get({ host: hostAt(sandboxId) }, BROWSER),
    ]);
    for (const answered of await Promise.all(answers)) expect(bytesOf(answered)).toEqual(bytesOf(byGate));
    expect(fleet.takeArrivals()).toEqual([]);
  });
});
