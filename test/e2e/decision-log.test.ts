import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DECISION_FIELDS } from '../../src/observe/decision-line.ts';
import { ask, askHttp2 } from '../stack/client.ts';
import { eventually } from '../stack/eventually.ts';
import { type Recorder, startRecorder } from '../stack/recorder.ts';
import { digestOf, hostOf, restricted, startTestStack, type TestStack, TOKEN } from '../stack/test-stack.ts';

let stack: TestStack;
let sandbox: Recorder;
beforeAll(async () => {
  stack = await startTestStack({ logAllows: '1' });
  sandbox = await startRecorder();
  const tokens = [
    { id: 'default', sha256: digestOf(TOKEN) },
    { id: 'old', label: 'last year', sha256: digestOf('old'), expiresAt: '2020-01-01T00:00:00Z' },
  ];
  await stack.put(restricted('locked', { access: { tokens } }));
});
afterAll(async () => {
  await stack?.stop();
  await sandbox?.close();
});

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const TRACEPARENT = `00-${TRACE}-00f067aa0ba902b7-01`;
const NAME = 'e2b-traffic-access-token';

let count = 0;
/** Sends one request and returns its line in the log. */
async function lineOf(headers: Record<string, string>, over: { host?: string; send?: typeof ask } = {}) {
  const id = `ask-${count++}`;
  const { host = hostOf(sandbox.port, 'locked'), send = ask } = over;
  await send(stack.http, { host, headers: { 'x-request-id': id, ...headers }, path: '/private?k=v' });
  // The gate logs a decision after it has answered.
  const line = await eventually(() => {
    const lines = stack.logs().split('\n');
    const found = lines.find((text) => text.includes('"msg":"decision"') && text.includes(`"${id}"`));
    if (found === undefined) throw new Error(`no line for ${id}`);
    return found;
  });
  return JSON.parse(line) as Record<string, unknown>;
}

describe('the decision log', () => {
  it('has a line for a denial, with every field that applies', async () => {
    const [stored] = await stack.store.list({ limit: 1 });
    const line = await lineOf({ [NAME]: 'old', traceparent: TRACEPARENT });
    expect(line).toMatchObject({
      time: expect.anything(),
      outcome: 'deny',
      reason: 'token_invalid',
      detail: 'expired',
      sandbox_id: 'locked',
      port: sandbox.port,
      method: 'GET',
      host: hostOf(sandbox.port, 'locked'),
      token_id: 'old',
      token_label: 'last year',
      policy_version: (stored as { access: { version: string } }).access.version,
      trace_id: TRACE,
    });
    expect(Number(line.duration_us)).toBeGreaterThanOrEqual(0);
    const missing = Object.keys(DECISION_FIELDS).filter((field) => !(field in line));
    expect(missing).toEqual(['shadow']);
    expect(JSON.stringify(line)).not.toContain('private');
  });

  it('has one for an allow, if all allows are logged', async () => {
    const line = await lineOf({ [NAME]: TOKEN });
    expect(line).toMatchObject({ outcome: 'allow', sandbox_id: 'locked', token_id: 'default' });
    expect(line).not.toHaveProperty('reason');
  });

  it("takes the client's address from Envoy, whatever the client claims", async () => {
    const forged = {
      'x-envoy-external-address': '1.2.3.4',
      'x-forwarded-for': '1.2.3.4',
      forwarded: 'for=1.2.3.4',
    };
    const plain = await lineOf({});
    expect(String(plain.client)).toMatch(/^[0-9a-f.:]+$/);
    for (const send of [ask, askHttp2]) {
      const { client } = await lineOf(forged, { send });
      expect(client).toBe(plain.client);
    }
  });

  it('passes traceparent on to the sandbox, but not the address of the client', async () => {
    sandbox.arrivals.length = 0;
    await lineOf({ [NAME]: TOKEN, traceparent: TRACEPARENT });
    const [arrival] = sandbox.arrivals;
    expect(arrival?.headers).toMatchObject({ traceparent: TRACEPARENT });
    expect(arrival?.headers).not.toHaveProperty('x-envoy-external-address');
  });

  it.each([
    ['malformed', 'not a trace'],
    ['a token', TOKEN],
    ['of zeros', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`],
  ])('omits a traceparent that is %s', async (_what, traceparent) => {
    expect(await lineOf({ traceparent })).not.toHaveProperty('trace_id');
  });

  it('names a host without its user and password', async () => {
    const line = await lineOf({}, { host: `me:${TOKEN}@${hostOf(8080, 'locked')}` });
    expect(line).toMatchObject({ reason: 'invalid_host', host: hostOf(8080, 'locked') });
  });
});
