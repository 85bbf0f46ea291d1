import { expect } from 'vitest';
import type { Address } from '../../src/address.ts';
import { type Answered, type Asked, ask, askHttp2 } from '../stack/client.ts';
import { askWebSocket, askWebSocketHttp2, ECHOED } from '../stack/websocket.ts';
import type { Arrives, Case, Refused } from './cases.ts';
import type { Fleet } from './fleet.ts';

/** A way for a request to come in. */
export interface Wire {
  ask: (ingress: Address, asked: Asked) => Promise<Answered>;
  /** What the client gets where it arrives. */
  accepted: { status: number; body: string };
  /** Only GET can ask for a WebSocket. */
  upgrades: boolean;
}

const plain = { accepted: { status: 200, body: 'hello' }, upgrades: false };
const upgraded = (status: number) => ({ accepted: { status, body: ECHOED }, upgrades: true });

export const WIRES: readonly [name: string, wire: Wire][] = [
  ['HTTP/1.1', { ask, ...plain }],
  ['HTTP/2', { ask: askHttp2, ...plain }],
  ['a WebSocket', { ask: askWebSocket, ...upgraded(101) }],
  ['a WebSocket over HTTP/2', { ask: askWebSocketHttp2, ...upgraded(200) }],
];

/** Those that this wire can carry, with their names in front. */
export function casesOn(wire: Wire, cases: readonly Case[]): [name: string, one: Case][] {
  return cases
    .filter(({ asked }) => !wire.upgrades || (asked.method ?? 'GET') === 'GET')
    .map((one) => [one.name, one]);
}

/** Asks, and holds what came back, and what arrived where, against the table. */
export async function expectCase(fleet: Fleet, wire: Wire, { asked, expected }: Case): Promise<void> {
  fleet.takeArrivals();
  const answered = await wire.ask(fleet.stack.http, asked);
  const arrivals = fleet.takeArrivals();
  if ('at' in expected) {
    expect(answered).toMatchObject(wire.accepted);
    expectArrival(arrivals, asked, expected);
  } else {
    expect(answered).toMatchObject({ status: expected.status, body: expected.body });
    expect(answered.headers).toMatchObject({ 'x-sandgate-reason': expected.reason });
    expect(ownHeaders(answered)).toEqual(headersOf(expected, asked));
    expect(arrivals).toEqual([]);
  }
}

function expectArrival(arrivals: ReturnType<Fleet['takeArrivals']>, asked: Asked, expected: Arrives): void {
  expect(arrivals.map(({ at }) => at)).toEqual([expected.at]);
  const { method, headers, rawHeaders, url } = arrivals[0]!;
  expect(method).toBe(asked.method ?? 'GET');
  expect(url).toBe(asked.path ?? '/');
  const sees: Record<string, unknown> = {
    host: asked.host,
    'e2b-traffic-access-token': undefined,
    'e2b-sandbox-id': undefined,
    'e2b-sandbox-port': undefined,
    ...expected.sees,
  };
  expect(Object.fromEntries(Object.keys(sees).map((name) => [name, headers[name]]))).toEqual(sees);
  expect(rawHeaders.filter(([name]) => name.toLowerCase() === 'host')).toEqual([['Host', sees.host]]);
}

/** Those that the connection needs, or the clock makes. */
const OF_THE_WIRE = /^(:status|date|connection|keep-alive|content-length|transfer-encoding)$/;

/** The headers of an answer that say something. */
export function ownHeaders({ headers }: Answered): Record<string, unknown> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !OF_THE_WIRE.test(name)));
}

/** docs/contract.md §3, for an answer that is no page: these headers and no other. */
export function headersOf({ status, reason }: Refused, asked: Asked): Record<string, string> {
  const common = {
    'x-sandgate-reason': reason,
    'access-control-allow-origin': '*',
    'cache-control': 'no-store',
    vary: 'accept, sec-fetch-mode, user-agent',
  };
  if (status === 204) return { ...common, ...preflightHeaders(asked) };
  if (status === 400) {
    return { ...common, 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };
  }
  const json = { ...common, 'content-type': 'application/json; charset=utf-8' };
  return status === 503 ? { ...json, 'retry-after': '1' } : json;
}

function preflightHeaders({ headers = {} }: Asked): Record<string, string> {
  return {
    'access-control-allow-methods': String(headers['access-control-request-method']),
    'access-control-allow-headers': String(headers['access-control-request-headers']),
    'access-control-max-age': '600',
  };
}
