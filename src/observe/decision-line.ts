import { isIP } from 'node:net';
import type { Allow, Decision, GateRequest } from '../decision/decision.ts';
import { logHost, logMethod, logRequestId, traceIdOf } from './log-fields.ts';

/** Every field of a `decision` line, in order. A test compares `docs/logs.md` with them. */
export const DECISION_FIELDS = {
  outcome: '`deny`, `shadow_allow`, `preflight` (answered by the gate instead of a denial) or `allow`',
  reason: 'why it was denied, or would have been: a [reason code](reasons.md); omitted for `allow`',
  detail: 'finer than the reason, if there is more to say: see [reasons](reasons.md#details)',
  shadow: '`true` if only shadow mode let it through',
  sandbox_id: 'omitted if the host did not name one, and for `preflight`',
  port: 'the requested port',
  method: 'a method of RFC 9110, or `PATCH`; any other is `other`, because clients may send a secret there',
  host: 'requested host, lower-cased, without user, password and port; omitted if it is not a valid host',
  token_id:
    'the known token that was presented: the one that matched, or one that is expired or for another port or incarnation',
  token_label: 'its label',
  policy_version: "version of the policy's newer part, as `policy get` prints it",
  client: 'IP address of the client as Envoy trusts it; omitted if the ingress does not send it',
  request_id:
    '`x-request-id`, to find the same request in the access log; omitted if it is longer than 63 characters or has any but letters, digits and `_.~:;=/+@-`',
  trace_id: 'trace id of a well-formed W3C `traceparent`',
  duration_us: 'time from the arrival of the check to its answer, in microseconds',
} as const;

type DecisionLine = {
  [field in keyof typeof DECISION_FIELDS]?: string | number | boolean | undefined;
};

/** The log line of one decision. It has no path, cookie or header value, since those may hold secrets. */
export function decisionLine(decision: Decision, request: GateRequest, durationNs: number): DecisionLine {
  const { method, host, requestId, traceparent, clientAddress } = request;
  return {
    ...decisionFields(decision),
    method: logMethod(method),
    host: logHost(host),
    client: isIP(clientAddress) === 0 || clientAddress.includes('%') ? undefined : clientAddress,
    request_id: logRequestId(requestId),
    trace_id: traceIdOf(traceparent),
    duration_us: Math.round(durationNs / 1000),
  };
}

function decisionFields(decision: Decision): DecisionLine {
  switch (decision.kind) {
    case 'allow':
      return allowFields(decision);
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

function allowFields({ sandboxId, port, grant, policy }: Allow): DecisionLine {
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
