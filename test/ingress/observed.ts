import type { Address } from '../../src/address.ts';
import type { Case } from '../e2e/cases.ts';
import type { FleetArrival } from '../e2e/fleet.ts';
import { ownHeaders, type Wire } from '../e2e/wires.ts';

/** An ingress in front of the sandboxes of the table. */
export interface Ingress {
  http: Address;
  takeArrivals(): FleetArrival[];
}

/** What one request did, without what differs each time. */
export interface Observed {
  status: number;
  headers: Record<string, unknown>;
  body: string;
  /** What arrived, and where, as lines. */
  arrived: string[];
}

/** Headers that differ each time, and those of one hop. */
const VARIABLE =
  /^(x-request-id|sec-websocket-(key|version|accept)|connection|upgrade|transfer-encoding|content-length)$/;

export async function observe(ingress: Ingress, wire: Wire, { request }: Case): Promise<Observed> {
  ingress.takeArrivals();
  const answered = await wire.ask(ingress.http, request).catch((error: Error) => ({
    status: 0,
    headers: {},
    body: error.message,
  }));
  const { status, body } = answered;
  const headers = ownHeaders(answered);
  for (const name of Object.keys(headers)) if (VARIABLE.test(name)) delete headers[name];
  return { status, headers, body, arrived: ingress.takeArrivals().map(lineOf) };
}

function lineOf({ at, method, url, rawHeaders, body }: FleetArrival): string {
  const headers = rawHeaders
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name]) => !VARIABLE.test(name))
    .map(([name, value]) => `${name}: ${value}`)
    .sort();
  return [`${at.join(':')} ${method} ${url}`, ...headers, body].join('\n');
}
