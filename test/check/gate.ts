import { vi } from 'vitest';
import { type CheckHandlerOptions, createCheckHandler } from '../../src/check/handler.ts';
import type { PolicyLookup } from '../../src/policy/policy.ts';
import { parseDomains } from '../../src/target/domains.ts';
import { contextOf, ID, NOW, policyOf, TOKEN } from '../decision/request.ts';
import { CheckRequest, CheckResponse } from './oracle.ts';

export const FOUND: PolicyLookup = { kind: 'found', policy: policyOf() };

export function gate(parts: Partial<CheckHandlerOptions> = {}) {
  const fault = vi.fn();
  const handler = createCheckHandler({
    lookup: () => FOUND,
    domains: parseDomains(['*.e2b.app']),
    context: contextOf(),
    now: () => NOW,
    monotonic: () => 0,
    log: { fault },
    ...parts,
  });
  return { handler, fault };
}

export function check(headers: Record<string, string> = {}, http: Record<string, unknown> = {}): Buffer {
  const lines = Object.entries(headers).map(([key, value]) => ({ key, raw_value: Buffer.from(value) }));
  const request = {
    method: 'GET',
    path: '/',
    host: `8080-${ID}.e2b.app`,
    header_map: { headers: lines },
    ...http,
  };
  return Buffer.from(
    CheckRequest.encode(CheckRequest.fromObject({ attributes: { request: { http: request } } })).finish(),
  );
}

export const WITH_TOKEN = check({ 'e2b-traffic-access-token': TOKEN, 'x-request-id': 'r1' });

/** `allow`, or the reason of the denial. */
export function outcome(bytes: Buffer | Promise<Buffer>): string {
  if (!Buffer.isBuffer(bytes)) throw new Error('a promise');
  const answer = CheckResponse.toObject(CheckResponse.decode(bytes));
  if (!answer.status?.code) return 'allow';
  const headers: { header: { key: string; value: string } }[] = answer.denied_response.headers;
  const reason = headers.find(({ header }) => header.key === 'x-sandgate-reason')?.header.value;
  return `${answer.denied_response.status.code} ${reason}`;
}
