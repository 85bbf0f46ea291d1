import { expect } from 'vitest';
import type { Address } from '../../src/address.ts';
import { type Answered, ask, askHttp2, type ClientRequest } from '../stack/client.ts';
import { askWebSocket, askWebSocketHttp2, ECHOED } from '../stack/websocket.ts';
import type { Arrives, Case, Refused } from './cases.ts';
import type { Fleet } from './fleet.ts';

/** A protocol over which a request is sent. */
export interface Wire {
  ask: (ingress: Address, request: ClientRequest) => Promise<Answered>;
  /** The client's answer if the request arrives. */
  accepted: { status: number; body: string };
  /** True for WebSockets, which only a GET can open. */
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

/** The cases that this protocol can send, each after its name. */
export function casesOn(wire: Wire, cases: readonly Case[]): [name: string, one: Case][] {
  return cases
    .filter(({ request }) => !wire.upgrades || (request.method ?? 'GET') === 'GET')
    .map((one) => [one.name, one]);
}

/** Sends the request, and compares the answer and every arrival with the table. */
export async function expectCase(fleet: Fleet, wire: Wire, { request, expected }: Case): Promise<void> {
  fleet.takeArrivals();
  const answered = await wire.ask(fleet.stack.http, request);
  const arrivals = fleet.takeArrivals();
  if ('at' in expected) {
    expect(answered).toMatchObject(wire.accepted);
    expectArrival(arrivals, request, expected);
  } else {
    expect(answered).toMatchObject({ status: expected.status, body: expected.body });
    expect(answered.headers).toMatchObject({ 'x-sandgate-reason': expected.reason });
    expect(ownHeaders(answered)).toEqual(headersOf(expected, request));
    expect(arrivals).toEqual([]);
  }
}

function expectArrival(
  arrivals: ReturnType<Fleet['takeArrivals']>,
  request: ClientRequest,
  expected: Arrives,
): void {
  expect(arrivals.map(({ at }) => at)).toEqual([expected.at]);
  const { method, headers, rawHeaders, url } = arrivals[0]!;
  expect(method).toBe(request.method ?? 'GET');
  expect(url).toBe(request.path ?? '/');
  const sees: Record<string, unknown> = {
    host: request.host,
    'e2b-traffic-access-token': undefined,
    'e2b-sandbox-id': undefined,
    'e2b-sandbox-port': undefined,
    ...expected.sees,
  };
  expect(Object.fromEntries(Object.keys(sees).map((name) => [name, headers[name]]))).toEqual(sees);
  expect(rawHeaders.filter(([name]) => name.toLowerCase() === 'host')).toEqual([['Host', sees.host]]);
}

/** Headers of the connection, and the date. */
const CONNECTION_HEADERS = /^(:status|date|connection|keep-alive|content-length|transfer-encoding)$/;

/** The headers of an answer without those of the connection. */
export function ownHeaders({ headers }: Answered): Record<string, unknown> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !CONNECTION_HEADERS.test(name)));
}

/** docs/contract.md §3: the exact headers of an answer that is not a page. */
export function headersOf({ status, reason }: Refused, request: ClientRequest): Record<string, string> {
  const common = {
    'x-sandgate-reason': reason,
    'access-control-allow-origin': '*',
    'cache-control': 'no-store',
    vary: 'accept, sec-fetch-mode, user-agent',
  };
  if (status === 204) return { ...common, ...preflightHeaders(request) };
  if (status === 400) {
    return { ...common, 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };
  }
  const json = { ...common, 'content-type': 'application/json; charset=utf-8' };
  return status === 503 ? { ...json, 'retry-after': '1' } : json;
}

function preflightHeaders({ headers = {} }: ClientRequest): Record<string, string> {
  return {
    'access-control-allow-methods': String(headers['access-control-request-method']),
    'access-control-allow-headers': String(headers['access-control-request-headers']),
    'access-control-max-age': '600',
  };
}
