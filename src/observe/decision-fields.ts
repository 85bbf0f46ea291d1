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

export type DecisionLine = {
  [field in keyof typeof DECISION_FIELDS]?: string | number | boolean | undefined;
};
