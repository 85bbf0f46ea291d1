import type { Deny, GateRequest, Preflight } from './decision.ts';

/**
 * What a refused request is told, preflight or not (contract §2, step 0). A browser sends no token with a preflight,
 * and will not send the real request unless it is answered well; so a refusal becomes a 204 that is the same for every
 * sandbox, known or not. `unavailable` stays: whether the port is public, and the preflight the sandbox's own, is unknown.
 */
export function refuse(request: GateRequest, deny: Deny): Deny | Preflight {
  return isPreflight(request) && deny.reason !== 'unavailable' ? { kind: 'preflight', refused: deny } : deny;
}

function isPreflight(request: GateRequest): boolean {
  return request.method === 'OPTIONS' && request.origin !== undefined && request.requestMethod !== undefined;
}
