import { createServer, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { closedBySweep, SweepGuard } from '../../src/check/sweep-guard.ts';
import { decide } from '../../src/decision/decide.ts';
import type { Allow, GateContext, GateRequest } from '../../src/decision/decision.ts';
import type { Policy } from '../../src/policy/policy.ts';
import {
  contextOf,
  NOW,
  policyOf,
  preflightOf,
  requestOf,
  targetOf,
  tokenHeader,
} from '../decision/request.ts';
import { eventually } from '../stack/eventually.ts';

const route = { address: '127.0.0.1', port: undefined };
const PUBLIC = policyOf({ allowPublicTraffic: true, route });
const OWNER = requestOf({ clientAddress: '192.0.2.1' });
const stranger = (number: number) => requestOf({ clientAddress: `198.51.100.${number}` });

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function openPort(): Promise<number> {
  const server = createServer((socket) => socket.on('error', () => {}).resume());
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as { port: number }).port;
}

function allowAt(
  port: number,
  policy: Policy,
  request: GateRequest,
  context: Partial<GateContext> = {},
): Allow {
  const lookup = { kind: 'found', policy } as const;
  const decision = decide(request, targetOf(port), lookup, NOW, contextOf({ allowShadow: true, ...context }));
  if (decision.kind !== 'allow') throw new Error(`denied: ${JSON.stringify(decision)}`);
  return decision;
}

/** Number of ports that one client may dial at once, from `first` to the last. */
function sweep(
  guard: SweepGuard,
  policy: Policy,
  request: GateRequest,
  context: Partial<GateContext> = {},
): number {
  let allowed = 0;
  for (let port = 60_000; port <= 65_535; port++) {
    if (guard.admits(allowAt(port, policy, request, context), request, 0) === true) allowed++;
  }
  return allowed;
}

function exhaust(guard: SweepGuard, policy: Policy): void {
  for (let number = 1; number <= 8; number++) {
    const request = stranger(number);
    for (let port = 1; port <= 48; port++)
      guard.admits(allowAt(number * 100 + port, policy, request), request, 0);
  }
}

test('a client has 48 ports without a look and without a token, and 2,048 with one, counted separately', () => {
  const guard = new SweepGuard();
  expect(sweep(guard, PUBLIC, OWNER)).toBe(48);
  expect(sweep(guard, policyOf({ route }), requestOf({ token: tokenHeader() }))).toBe(2048);
});

test('a sandbox in shadow mode counts as public', () => {
  const policy = policyOf({ route, shadow: { from: NOW, until: NOW + 1000 } });
  expect(sweep(new SweepGuard(), policy, OWNER)).toBe(48);
});

test('without a header from Envoy the peer of the proxy that asks is the client', () => {
  const guard = new SweepGuard();
  expect(sweep(guard, PUBLIC, requestOf({ peerAddress: '198.51.100.1' }))).toBe(48);
  const other = requestOf({ peerAddress: '198.51.100.2' });
  expect(guard.admits(allowAt(8080, PUBLIC, other), other, 0)).toBe(true);
  expect(sweep(new SweepGuard(), PUBLIC, requestOf())).toBe(48);
});

test('after strangers used up a sandbox, a port on which something listens opens, and no other', async () => {
  const guard = new SweepGuard();
  exhaust(guard, PUBLIC);
  const port = await openPort();
  const ask = (now: number) => guard.admits(allowAt(port, PUBLIC, OWNER), OWNER, now);
  expect(ask(0)).toBeInstanceOf(Promise);
  let now = 0;
  await eventually(async () => {
    now += 500;
    expect(await ask(now)).toBe(true);
  });
  expect(ask(now)).toBe(true);
  expect(await guard.admits(allowAt(1, PUBLIC, OWNER), OWNER, 0)).toBe(false);
});

test('a client that used up its own ports still gets one on which something listens', async () => {
  const guard = new SweepGuard();
  sweep(guard, PUBLIC, OWNER);
  const port = await openPort();
  let now = 0;
  await eventually(async () => {
    now += 500;
    expect(await guard.admits(allowAt(port, PUBLIC, OWNER), OWNER, now)).toBe(true);
  });
});

test('the gate looks at most at 64 ports a second for one client', async () => {
  const guard = new SweepGuard();
  exhaust(guard, PUBLIC);
  const looks = Array.from({ length: 100 }, (_, i) =>
    guard.admits(allowAt(60_000 + i, PUBLIC, OWNER), OWNER, 0),
  );
  expect(looks.filter((look) => look instanceof Promise)).toHaveLength(64);
  const other = stranger(99);
  expect(guard.admits(allowAt(61_000, PUBLIC, other), other, 0)).toBeInstanceOf(Promise);
  expect(guard.admits(allowAt(61_001, PUBLIC, OWNER), OWNER, 1000)).toBeInstanceOf(Promise);
  await Promise.all(looks);
});

test('with an ingress that routes, the gate cannot look, and a client has 64 ports of 255', () => {
  const guard = new SweepGuard();
  const ingress = { routing: 'ingress' } as const;
  expect(sweep(guard, PUBLIC, OWNER, ingress)).toBe(64);
  let all = 64;
  for (let number = 1; number <= 5; number++) {
    const request = stranger(number);
    for (let port = 1; port <= 64; port++) {
      if (guard.admits(allowAt(number * 100 + port, PUBLIC, request, ingress), request, 0) === true) all++;
    }
  }
  expect(all).toBe(255);
});

test('a route to a node proxy is not counted: to Envoy every port is the same destination', () => {
  const proxied = policyOf({ allowPublicTraffic: true, route: { address: '127.0.0.1', port: 5007 } });
  expect(sweep(new SweepGuard(), proxied, OWNER)).toBe(5536);
});

test('the answer is that of a closed port, and a preflight stays a preflight', () => {
  expect(closedBySweep(allowAt(9999, PUBLIC, OWNER), OWNER)).toMatchObject({
    reason: 'port_closed',
    detail: 'port_sweep',
    port: 9999,
  });
  const preflight = preflightOf();
  expect(closedBySweep(allowAt(9999, PUBLIC, preflight), preflight)).toMatchObject({
    kind: 'preflight',
    refused: { detail: 'port_sweep' },
  });
});

test('a sweep leaves the port of the agent', () => {
  const guard = new SweepGuard();
  const policy = policyOf({ allowPublicTraffic: true, agentSelfAuthenticating: true, route });
  exhaust(guard, policy);
  const allow = allowAt(49983, policy, OWNER);
  expect(allow.grant).toEqual({ by: 'agent' });
  expect(guard.admits(allow, OWNER, 0)).toBe(true);
});
