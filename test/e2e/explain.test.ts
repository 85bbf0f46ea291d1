import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/cli/program.ts';
import type { Explanation } from '../../src/explain/explanation.ts';
import { type Answered, ask, askHttp2, type ClientRequest } from '../stack/client.ts';
import { OTHER_TOKEN, publicSandbox, TOKEN } from '../stack/test-stack.ts';
import {
  type Case,
  closed,
  hostAt,
  ID,
  ORDER_CASES,
  OTHER,
  TARGET_CASES,
  TITLED,
  TOKEN_CASES,
} from './cases.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { BROWSER } from './page.ts';
import { type SilentListener, startSilentListener } from './silent-listener.ts';
import { headersOf, ownHeaders } from './wires.ts';

let fleet: Fleet;
let silent: SilentListener;
/** The outcome of requests to an address that never answers. It takes many seconds, so it starts first. */
let unanswered: Promise<{ answers: Answered[]; tookMs: number }>;

beforeAll(async () => {
  fleet = await startFleet();
  silent = await startSilentListener();
  await fleet.stack.put(publicSandbox('silent'));
  unanswered = askSilent();
});

afterAll(async () => {
  await fleet?.stop();
  silent?.close();
});

async function askSilent() {
  const askedAt = performance.now();
  const request = { host: hostAt('silent', silent.port) };
  const answers = await Promise.all([ask(fleet.stack.http, request), askHttp2(fleet.stack.http, request)]);
  return { answers, tookMs: performance.now() - askedAt };
}

async function explain(
  { host, method = 'GET', path = '/', headers = {} }: ClientRequest,
  more: string[] = [],
) {
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    [value].flat().flatMap((one) => ['-H', `${name}: ${one}`]),
  );
  const out = new PassThrough();
  const err = new PassThrough();
  const io = { stdin: Readable.from([]), stdout: out, stderr: err };
  const args = ['explain', `http://${host}${path}`, '-X', method, ...lines, ...more];
  const code = await run([...args, '--state-dir', fleet.stack.stateDir], io);
  const [stdout, stderr] = [out, err].map((stream) => String(stream.read() ?? ''));
  return { code, stdout: stdout!, stderr: stderr! };
}

async function explained(request: ClientRequest): Promise<Explanation> {
  const { code, stdout, stderr } = await explain(request, ['--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Explanation;
}

function expectNoToken(
  { headers }: ClientRequest,
  { stdout, stderr }: { stdout: string; stderr: string },
): void {
  const shown = stdout + stderr;
  const value = [headers?.['e2b-traffic-access-token'] ?? []].flat().join();
  for (const secret of [TOKEN, OTHER_TOKEN, value.length > 8 ? value : '\0'])
    expect(shown).not.toContain(secret);
  expect(shown).not.toMatch(/(?<![0-9a-f.])[0-9a-f]{17,}/);
}

/** Sends a request through Envoy, explains the same request, and compares. Neither may show a token. */
async function expectAgreement(one: Case): Promise<void> {
  const { request } = one;
  fleet.takeArrivals();
  const [answered, output] = [await ask(fleet.stack.http, request), await explain(request, ['--json'])];
  expect(output).toMatchObject({ code: 0, stderr: '' });
  if (TOKEN_CASES.includes(one)) expectNoToken(request, output);
  const explanation = JSON.parse(output.stdout) as Explanation;
  const [arrival, ...more] = fleet.takeArrivals();
  expect(more).toEqual([]);
  if (arrival === undefined) {
    const { answer, status, reason, decision } = explanation;
    expect(decision).not.toBe('allow');
    expect({ status, reason }).toEqual({
      status: answered.status,
      reason: answered.headers['x-sandgate-reason'],
    });
    expect(answer!.body).toBe(answered.body);
    expect(Object.fromEntries(answer!.headers)).toEqual(ownHeaders(answered));
    return;
  }
  const { decision, upstream, steps, answer } = explanation;
  expect({ decision, answer }).toEqual({ decision: 'allow', answer: undefined });
  expect(steps.map(({ passed }) => passed)).toEqual(Array(6).fill(true));
  const [sandboxId, port] = arrival.at;
  expect(upstream).toMatchObject({
    destination: `${fleet.addressOf(sandboxId)}:${port}`,
    host: arrival.headers.host,
  });
  expect(upstream!.forwardedHost).toBe(arrival.headers['x-forwarded-host']);
  for (const name of Object.keys(request.headers ?? {})) {
    const gone = !(name in arrival.headers) || name.startsWith('x-forwarded');
    expect([name, gone]).toEqual([name, upstream!.removed.includes(name) || name.startsWith('x-forwarded')]);
  }
}

describe('explain says what Envoy and the gate do', () => {
  it.each([...TARGET_CASES, ...ORDER_CASES].map((one) => [one.name, one] as const))('%s', (_, one) =>
    expectAgreement(one),
  );

  const byTheGate = TITLED.filter(([, { name }]) => name !== 'port closed');
  it.each(byTheGate.map(([title, one]) => [title, one.name, one] as const))(
    'the page "%s" to a browser: %s',
    (_title, _name, one) =>
      expectAgreement({
        ...one,
        request: { ...one.request, headers: { ...one.request.headers, ...BROWSER } },
      }),
  );
});

describe('what Envoy answers itself', () => {
  it('a port without a listener: explain allows it, and says what Envoy then answers', async () => {
    const request = { host: hostAt(OTHER, 9) };
    expect(await ask(fleet.stack.http, request)).toMatchObject({ status: 502, body: closed(OTHER, 9).body });
    expect((await explained(request)).decision).toBe('allow');
    expect((await explain(request)).stdout).toContain(
      'if nothing listens on the port, Envoy answers 502 port_closed',
    );
  });

  it('two Hosts: a 400 before the gate, and explain says so', async () => {
    const output = await explain({ host: hostAt(OTHER), headers: { Host: [hostAt(OTHER), hostAt(OTHER)] } });
    expect(output).toMatchObject({ code: 2, stdout: '' });
    expect(output.stderr).toContain('Envoy would answer 400 itself');
  });
});

describe('a request that is too large for Envoy', () => {
  it.each<[what: string, headers: Record<string, string>]>([
    ['101 headers', Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`x-${n}`, 'a']))],
    ['61 KiB of headers', { 'x-long': 'a'.repeat(61 * 1024) }],
  ])('%s: a 431 before the gate, and explain says so', async (_, headers) => {
    const request = { host: hostAt(OTHER), headers };
    expect((await ask(fleet.stack.http, request)).status).toBe(431);
    expect(await explained(request)).toMatchObject({
      decision: 'refused',
      status: 431,
      reason: 'bad_request',
    });
    expect((await explain(request)).stdout).toMatch(
      /^REFUSED 431 bad_request [\s\S]*431, sent to the client by Envoy/,
    );
  });
});

describe('a gRPC request', () => {
  it('is explained with the answer of a gRPC client', async () => {
    const headers = { 'content-type': 'application/grpc', te: 'trailers' };
    for (const request of [
      { host: hostAt('nobody'), headers },
      { host: hostAt(ID), headers },
    ]) {
      const answered = await askHttp2(fleet.stack.http, { ...request, method: 'POST' });
      const { status, answer } = await explained({ ...request, method: 'POST' });
      expect({ status, body: answer!.body }).toEqual({ status: answered.status, body: answered.body });
      expect(Object.fromEntries(answer!.headers)).toEqual(ownHeaders(answered));
      expect(ownHeaders(answered)).toHaveProperty('grpc-status');
    }
  });
});

describe('the steps', () => {
  const stepsOf = async (host: string, headers: Record<string, string> = {}) =>
    Object.fromEntries((await explained({ host, headers })).steps.map((step) => [step.name, step]));

  it('name the token that matched, by id and label', async () => {
    const { token } = await stepsOf(hostAt('several'), { 'e2b-traffic-access-token': TOKEN });
    expect(token).toMatchObject({ passed: true, token: { label: 'of the CI' } });
  });

  it.each([
    ['expired', 'b'.repeat(64), 8080],
    ['other_port', 'a'.repeat(64), 49983],
    ['other_incarnation', 'd'.repeat(64), 8080],
  ])('show the detail that the client does not see: %s', async (detail, value, port) => {
    const headers = { 'e2b-traffic-access-token': value };
    const { token } = await stepsOf(hostAt('several', port), headers);
    expect(token).toMatchObject({ passed: false, detail, token: { id: `t${value.slice(0, 4)}` } });
  });

  it('show the denial behind a preflight', async () => {
    const headers = { origin: 'https://a.example', 'access-control-request-method': 'PUT' };
    const { decision, detail } = await explained({ host: hostAt('paused'), method: 'OPTIONS', headers });
    expect({ decision, detail }).toEqual({ decision: 'preflight', detail: 'sandbox_not_found' });
  });

  it('say which rule an unreadable policy breaks', async () => {
    const { policy } = await stepsOf(hostAt('broken'));
    expect(policy).toMatchObject({ passed: false, code: 'POLICY_UNREADABLE' });
    expect(policy!.found).toContain('runtime.state');
  });
});

// The JSON was checked above, in each case of the table.
it.each(TOKEN_CASES.map((one) => [one.name, one] as const))(
  'shows no token as text: %s',
  async (_, { request }) => {
    expectNoToken(request, await explain(request));
  },
);

// Last, because its requests started first.
it('an address that never answers counts as a closed port in under 20 s, and other requests are served meanwhile', async () => {
  const request = { host: hostAt('silent', silent.port) };
  expect((await explained(request)).decision).toBe('allow');
  const { answers, tookMs } = await unanswered;
  expect(tookMs).toBeLessThan(20_000);
  const expected = closed('silent', silent.port);
  for (const answered of answers) {
    expect(answered).toMatchObject({ status: 502, body: expected.body });
    expect(ownHeaders(answered)).toEqual(headersOf(expected, request));
  }
});
