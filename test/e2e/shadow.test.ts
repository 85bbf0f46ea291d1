import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Answered, ask, openWebSocket } from '../stack/client.ts';
import { sandgate } from '../stack/command.ts';
import { eventually } from '../stack/eventually.ts';
import { inTime } from '../stack/in-time.ts';
import { PATIENCE } from '../stack/patience.ts';
import { type Recorder, startRecorder } from '../stack/recorder.ts';
import { digestOf, hostOf, restricted, startTestStack, type TestStack, TOKEN } from '../stack/test-stack.ts';

let stack: TestStack;
let sandbox: Recorder;
beforeAll(async () => {
  stack = await startTestStack({ allowShadow: 'true' });
  sandbox = await startRecorder();
});
beforeEach(() => {
  sandbox.arrivals.length = 0;
});
afterAll(async () => {
  await stack?.stop();
  await sandbox?.close();
});

const NAME = 'e2b-traffic-access-token';
const HOUR = 3600 * 1000;
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();

/** A restricted sandbox that is in shadow mode for this long. */
const put = (id: string, leftMs: number, access: object = {}) =>
  stack.put(restricted(id, { access: { ...restricted(id).access, shadowUntil: inMs(leftMs), ...access } }));

function send(id: string, headers: Record<string, string> = {}, port = sandbox.port, method = 'GET') {
  return ask(stack.http, { host: hostOf(port, id), headers, method });
}

const reasonOf = ({ headers }: Answered) => headers['x-sandgate-reason'];

async function readyShadow() {
  const { host, port } = stack.gate.ops;
  const response = await fetch(`http://${host}:${port}/readyz`);
  return ((await response.json()) as { parts: { shadow: Record<string, unknown> } }).parts.shadow;
}

const decisionsOf = (id: string) =>
  stack
    .logs()
    .split('\n')
    .flatMap((line) => (line.includes('"msg":"decision"') ? [JSON.parse(line)] : []))
    .filter((line) => line.sandbox_id === id);

describe('a sandbox in shadow mode', () => {
  it('is explained as allowed by shadow mode, with the reason for which it would be denied', async () => {
    await put('told', HOUR);
    const url = `http://${hostOf(sandbox.port, 'told')}/`;
    const told = await sandgate(['explain', url, '--state-dir', stack.stateDir]);
    expect(told.stdout).toMatch(/^ALLOWED/);
    expect(told.stdout).toMatch(/no token was sent; allowed by shadow mode until 20/);
  });

  it('is reached without a token and with a wrong one, which it does not receive; both are logged with their reasons', async () => {
    await put('measured', HOUR);
    const answers = [await send('measured'), await send('measured', { [NAME]: 'wrong' })];
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(answers.map(reasonOf)).toEqual([undefined, undefined]);
    expect(sandbox.arrivals).toHaveLength(2);
    for (const { headers } of sandbox.arrivals) expect(headers).not.toHaveProperty(NAME);
    await eventually(() =>
      expect(decisionsOf('measured')).toMatchObject([
        { outcome: 'shadow_allow', shadow: true, reason: 'token_missing', port: sandbox.port },
        { outcome: 'shadow_allow', shadow: true, reason: 'token_invalid' },
      ]),
    );
  });

  it('does not forward a refused token, even if tokens are forwarded', async () => {
    await put('forwarding', HOUR, { upstreamToken: 'forward' });
    await send('forwarding', { [NAME]: 'wrong' });
    await send('forwarding', { [NAME]: TOKEN });
    expect(sandbox.arrivals.map(({ headers }) => headers[NAME])).toEqual([undefined, TOKEN]);
  });

  it('logs the id of an expired token that it allowed', async () => {
    const tokens = [{ id: 'ci', label: 'the CI', sha256: digestOf(TOKEN), expiresAt: inMs(-1000) }];
    await put('expired', HOUR, { tokens });
    expect(await send('expired', { [NAME]: TOKEN })).toMatchObject({ status: 200 });
    const logged = { detail: 'expired', token_id: 'ci', token_label: 'the CI' };
    await eventually(() => expect(decisionsOf('expired')).toMatchObject([logged]));
  });

  it('gets its preflights like a public one', async () => {
    await put('crossing', HOUR);
    const preflight = { origin: 'https://page.example', 'access-control-request-method': 'PUT' };
    expect(await send('crossing', preflight, sandbox.port, 'OPTIONS')).toMatchObject({ status: 200 });
    expect(sandbox.arrivals).toHaveLength(1);
  });

  it('keeps port 49983 closed', async () => {
    await put('guarded', HOUR);
    expect(reasonOf(await send('guarded', {}, 49983))).toBe('token_missing');
    expect(reasonOf(await send('guarded', { [NAME]: 'wrong' }, 49983))).toBe('token_invalid');
  });

  it('is not found while paused', async () => {
    const { access } = restricted('paused');
    const runtime = { state: 'paused' };
    await stack.put(restricted('paused', { runtime, access: { ...access, shadowUntil: inMs(HOUR) } }));
    expect(reasonOf(await send('paused'))).toBe('sandbox_not_found');
  });

  it('is restricted again after shadowUntil, when the streams that it allowed end', async () => {
    const closed = vi.fn();
    await inTime(async (livesMs) => {
      await put('ending', livesMs);
      const opened = await openWebSocket(stack.http, { host: hostOf(sandbox.port, 'ending') });
      if ('status' in opened) return undefined;
      opened.socket.on('error', () => {}).on('close', closed);
      return (await send('ending')).status === 200 || undefined;
    });
    await vi.waitFor(() => expect(closed).toHaveBeenCalled(), PATIENCE);
    expect(reasonOf(await send('ending'))).toBe('token_missing');
    expect(await send('ending', { [NAME]: TOKEN })).toMatchObject({ status: 200 });
  });
});

describe('a gate that allows shadow mode', () => {
  it('reports it in /readyz, with the number of requests allowed and the time of the last', async () => {
    await put('counted', HOUR);
    const before = await readyShadow();
    await send('counted');
    await send('counted', { [NAME]: TOKEN });
    const after = await readyShadow();
    expect(after).toMatchObject({ ok: true, allowed: true, reason: expect.stringContaining('shadowUntil') });
    expect(Number(after.letThrough) - Number(before.letThrough)).toBe(1);
    expect(Date.parse(String(after.last))).toBeGreaterThan(Date.now() - 60_000);
  });

  it('logs a warning at start', () => {
    expect(stack.logs()).toContain('"msg":"shadow_mode_allowed"');
  });
});
