import { createServer, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { CheckHandler } from '../../src/check/handler.ts';
import type { PolicyLookup } from '../../src/policy/policy.ts';
import { ID, NOW, policyOf } from '../decision/request.ts';
import { type SilentListener, startSilentListener } from '../e2e/silent-listener.ts';
import { eventually } from '../stack/eventually.ts';
import { check, gate, outcome } from './gate.ts';

const route = { address: '127.0.0.1', port: undefined };
const PUBLIC: PolicyLookup = { kind: 'found', policy: policyOf({ allowPublicTraffic: true, route }) };
const RESTRICTED: PolicyLookup = { kind: 'found', policy: policyOf({ route }) };
const OWNER = '192.0.2.1';
const CLOSED = '502 port_closed';

const listeners: (Server | SilentListener)[] = [];
afterEach(() => {
  for (const listener of listeners.splice(0)) listener.close();
});

async function openPort(): Promise<number> {
  const server = createServer((socket) => socket.on('error', () => {}).resume());
  listeners.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as { port: number }).port;
}

const checkOf = (port: number, client: string) =>
  check({ 'x-envoy-external-address': client }, { host: `${port}-${ID}.e2b.app` });

/** A gate that strangers have swept, so that it looks at a port before it allows it. */
function sweptGate(parts: Parameters<typeof gate>[0] = {}): CheckHandler {
  const { handler } = gate({ lookup: () => PUBLIC, ...parts });
  for (let port = 1; port <= 192; port++) {
    expect(outcome(handler(checkOf(port, `198.51.100.${port % 4}`), Number.POSITIVE_INFINITY))).toBe('allow');
  }
  return handler;
}

test('after a sweep a port on which something listens is allowed later, and then at once', async () => {
  const handler = sweptGate();
  const port = await openPort();
  const first = handler(checkOf(port, OWNER), Number.POSITIVE_INFINITY);
  expect(first).toBeInstanceOf(Promise);
  // On a busy machine the first look may take too long.
  await eventually(async () =>
    expect(outcome(await handler(checkOf(port, OWNER), Number.POSITIVE_INFINITY))).toBe('allow'),
  );
  expect(outcome(handler(checkOf(port, OWNER), Number.POSITIVE_INFINITY))).toBe('allow');
});

test('after a sweep a port on which nothing listens is closed, and one that is in use answered at once', async () => {
  const handler = sweptGate();
  expect(outcome(await handler(checkOf(1000, OWNER), Number.POSITIVE_INFINITY))).toBe(CLOSED);
  expect(outcome(handler(checkOf(1, OWNER), Number.POSITIVE_INFINITY))).toBe('allow');
});

test('a look that outlasts the deadline of the check ends in the closed-port answer', async () => {
  const handler = sweptGate();
  const silent = await startSilentListener();
  listeners.push(silent);
  // The time to look is over at once.
  expect(outcome(await handler(checkOf(silent.port, OWNER), NOW + 50))).toBe(CLOSED);
  expect(outcome(await handler(checkOf(silent.port, OWNER), Number.POSITIVE_INFINITY))).toBe(CLOSED);
});

test('a sandbox that is restricted while the gate looks is not allowed', async () => {
  let lookup = PUBLIC;
  const handler = sweptGate({ lookup: () => lookup });
  const port = await openPort();
  await eventually(async () => {
    lookup = PUBLIC;
    const answer = handler(checkOf(port, OWNER), Number.POSITIVE_INFINITY);
    lookup = RESTRICTED;
    expect(outcome(await answer)).toBe('403 token_missing');
  });
});

test('every look is reported as one decision', async () => {
  const outcomes: string[] = [];
  const handler = sweptGate({
    onDecision: (decision) => outcomes.push(decision.kind === 'deny' ? decision.detail! : decision.kind),
  });
  outcomes.length = 0;
  const port = await openPort();
  await eventually(async () => {
    outcomes.length = 0;
    await handler(checkOf(port, OWNER), Number.POSITIVE_INFINITY);
    expect(outcomes).toEqual(['allow']);
  });
  await handler(checkOf(1000, OWNER), Number.POSITIVE_INFINITY);
  expect(outcomes).toEqual(['allow', 'port_sweep']);
});
