import { isIP } from 'node:net';
import type { Allow, Decision, GateRequest } from '../decision/decision.ts';
import { logHost, logRequestId, traceIdOf } from './log-fields.ts';

/** Every field of a `decision` line, in its order. `docs/logs.md` lists the same ones; `decision-line.ts` can write no other. */
export const DECISION_FIELDS = {
  outcome: '`deny`, `shadow_allow`, `preflight` (answered by the gate in place of a denial) or `allow`',
  reason: 'why it was denied, or would have been: a [reason code](reasons.md); absent with `allow`',
  detail: 'finer than the reason where there is more to say: see [reasons](reasons.md#details)',
  shadow: '`true` where shadow mode alone let it through',
  sandbox_id: 'absent where the host named none, and with `preflight`',
  port: 'the port asked for',
  method: 'an HTTP method in capital letters; any other is `other`',
  host: 'host name or IP literal as asked, lower case, without user, password and port; absent where it is none',
  token_id:
    'the known token that was presented: the one that opened, or one that is expired or for elsewhere',
  token_label: 'its label',
  policy_version: "the version of the policy's newer part, as `policy get` prints it",
  client: 'IP address of the client as Envoy trusts it; absent where the ingress does not send it',
  request_id:
    '`x-request-id`, to find the same request in the access log; absent past 63 characters, or with any but letters, digits and `_.~:;=/+@-`',
  trace_id: 'of a well-formed W3C `traceparent`',
  duration_us: 'from the arrival of the check to its answer, in microseconds',
} as const;

type DecisionLine = {
  [field in keyof typeof DECISION_FIELDS]?: string | number | boolean | undefined;
};

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
