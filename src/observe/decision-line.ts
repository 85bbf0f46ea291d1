import { isIP } from 'node:net';
import type { Allow, Decision, GateRequest } from '../decision/decision.ts';
import type { DecisionLine } from './decision-fields.ts';
import { logHost } from './log-host.ts';
import { logRequestId } from './log-request-id.ts';
import { traceIdOf } from './trace-id.ts';

const METHOD = /^[A-Z]{1,16}$/;

/** One decision as the log tells it. No path, cookie or header value is in it: secrets live there. */
export function decisionLine(decision: Decision, request: GateRequest, durationNs: number): DecisionLine {
  const { method, host, requestId, traceparent, clientAddress } = request;
  return {
    ...told(decision),
    method: method === '' || METHOD.test(method) ? method || undefined : 'other',
    host: logHost(host),
    client: isIP(clientAddress) === 0 || clientAddress.includes('%') ? undefined : clientAddress,
    request_id: logRequestId(requestId),
    trace_id: traceIdOf(traceparent),
    duration_us: Math.round(durationNs / 1000),
  };
}

function told(decision: Decision): DecisionLine {
  switch (decision.kind) {
    case 'allow':
      return toldAllow(decision);
    case 'preflight':
      return { outcome: 'preflight', reason: 'preflight' };
    case 'deny':
      return {
        outcome: 'deny',
        reason: decision.reason,
        detail: decision.detail,
        sandbox_id: decision.sandboxId,
        port: decision.port,
        token_id: decision.tokenId,
        token_label: decision.tokenLabel,
        policy_version: decision.policyVersion,
      };
    default:
      return decision satisfies never;
  }
}

function toldAllow({ sandboxId, port, grant, policy }: Allow): DecisionLine {
  const line: DecisionLine = {
    outcome: 'allow',
    sandbox_id: sandboxId,
    port,
    policy_version: policy.version,
  };
  switch (grant.by) {
    case 'public':
    case 'agent':
      return line;
    case 'token':
      return { ...line, token_id: grant.tokenId, token_label: grant.tokenLabel };
    case 'shadow': {
      const { reason, detail, tokenId, tokenLabel } = grant;
      const refused = { reason, detail, token_id: tokenId, token_label: tokenLabel };
      return { ...line, ...refused, outcome: 'shadow_allow', shadow: true };
    }
    default:
      return grant satisfies never;
  }
}
