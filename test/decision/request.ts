import { createHash } from 'node:crypto';
import type { GateContext, GateRequest } from '../../src/decision/decision.ts';
import type { Policy, PolicyToken } from '../../src/policy/policy.ts';
import type { HeaderValue, TargetResult } from '../../src/target/target.ts';

export const ID = 'isv6ril5xadwn1k9t2jye';
export const NOW = 1_700_000_000_000;

/** HMAC-SHA256(seed, "sandbox-traffic-" + ID), from the table of docs/contract.md §2. */
export const TOKEN = '8af02a375695377b6884b2a1236fdeb3667a848881b2280e56bd634a69e348de';

export const BROWSER = { userAgent: 'Mozilla/5.0 Firefox/130.0', accept: 'text/html,*/*;q=0.8' };

export function requestOf(parts: Partial<GateRequest> = {}): GateRequest {
  return {
    method: 'GET',
    host: `8080-${ID}.e2b.app`,
    path: '/',
    sandboxId: { kind: 'absent' },
    sandboxPort: { kind: 'absent' },
    token: { kind: 'absent' },
    accept: '*/*',
    userAgent: 'python-httpx/0.27',
    secFetchMode: '',
    requestedWith: '',
    origin: undefined,
    requestMethod: undefined,
    requestHeaders: undefined,
    requestId: 'r1',
    traceparent: '',
    clientAddress: '',
    peerAddress: '',
    ...parts,
  };
}

export function preflightOf(parts: Partial<GateRequest> = {}): GateRequest {
  return requestOf({ method: 'OPTIONS', origin: 'https://page.example', requestMethod: 'GET', ...parts });
}

export function tokenHeader(value: string | Uint8Array = TOKEN): HeaderValue<Uint8Array> {
  return { kind: 'one', value: Buffer.from(value) };
}

export function targetOf(port = 8080, domain: string | undefined = 'e2b.app'): TargetResult {
  return { kind: 'target', target: { sandboxId: ID, port, domain, from: 'host' } };
}

export function digestOf(value: string | Uint8Array): string {
  return createHash('sha256').update(value).digest('binary');
}

export function policyToken(parts: Partial<PolicyToken> & { value?: string } = {}): PolicyToken {
  const { value = TOKEN, ...rest } = parts;
  return {
    id: 'default',
    digest: digestOf(value),
    expiresAt: undefined,
    ports: undefined,
    incarnation: undefined,
    ...rest,
  };
}

/** Running, restricted, with the one token. */
export function policyOf(parts: Partial<Policy> = {}): Policy {
  return {
    sandboxId: ID,
    incarnation: 'first',
    version: '0123456789abcdef.1',
    state: 'running',
    endsAt: undefined,
    agentSelfAuthenticating: false,
    route: { address: '10.0.3.7', port: undefined },
    allowPublicTraffic: false,
    publicRefused: false,
    shadow: undefined,
    tokens: [policyToken()],
    maskRequestHost: undefined,
    forwardToken: false,
    ...parts,
  };
}

export function contextOf(parts: Partial<GateContext> = {}): GateContext {
  return {
    routing: 'gate',
    defaultDomain: 'default.app',
    isOwnListener: () => false,
    isNodeProxy: () => false,
    allowShadow: false,
    ...parts,
  };
}
