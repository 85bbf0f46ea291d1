import type { Answer } from '../decision/decision.ts';

/** The steps of docs/contract.md §2, in the order in which the gate takes them; `Envoy` only if Envoy refuses the request. */
export type StepName = 'Envoy' | 'target' | 'internal path' | 'policy' | 'token' | 'route' | 'masking';

/** One completed step. In a denial the last step is the one that denied. */
export interface Step {
  name: StepName;
  passed: boolean;
  /** What the step found, as text. */
  found: string;
  /** The same, as fields for programs. */
  [fact: string]: unknown;
}

/** The request as the sandbox's server would receive it. */
export interface Upstream {
  /** Where Envoy dials; undefined if the ingress has its own routes. */
  destination: string | undefined;
  host: string;
  forwardedHost: string | undefined;
  /** Headers that the client sent and the sandbox does not get. */
  removed: readonly string[];
  /** Milliseconds after which the stream ends, because a token expires or shadow mode ends. */
  streamMs: number | undefined;
}

/** Why a request gets its answer. It has no token, and at most 8 hex characters of a digest. */
export interface Explanation {
  /** `refused`: by Envoy, before it asks the gate or after the gate has allowed the request. */
  decision: 'allow' | 'deny' | 'preflight' | 'refused';
  /** Status of the answer; undefined if the sandbox answers. */
  status: number | undefined;
  /** `x-sandgate-reason`; undefined if the sandbox answers. */
  reason: string | undefined;
  /** Finer than the reason; the client does not see it. */
  detail: string | undefined;
  /** The fault that kept the gate from deciding or answering: a 503 to the client, `check_fault` in the gate's log. */
  fault: string | undefined;
  /** `path` without its query. */
  request: { method: string; host: string; path: string };
  steps: readonly Step[];
  upstream: Upstream | undefined;
  answer: Answer | undefined;
}

const WIDTH = 15;

/** An explanation as text: the outcome, the steps, and what the sandbox or the client would get. */
export function formatExplanation(explanation: Explanation): string {
  const { request, fault, steps, upstream, answer } = explanation;
  const lines = [`${outcome(explanation)}    ${request.method} ${request.host}${request.path}`, ''];
  for (const { name, passed, found } of steps) lines.push(row(`${passed ? ' ' : '✗'} ${name}`, found));
  if (fault !== undefined) lines.push(row('✗ fault', fault));
  lines.push('');
  if (upstream !== undefined) lines.push(...upstreamLines(upstream));
  if (answer !== undefined) {
    const from = explanation.decision === 'refused' ? 'Envoy' : 'the gate';
    lines.push(row('  answer', `${answer.status}, sent to the client by ${from}`));
    for (const [name, value] of answer.headers) lines.push(row('', `${name}: ${value}`));
    if (answer.body !== '') lines.push('', answer.body.trimEnd());
  }
  return lines.join('\n');
}

function outcome({ decision, status, reason, detail }: Explanation): string {
  switch (decision) {
    case 'allow':
      return 'ALLOWED';
    case 'refused':
      return `REFUSED ${status} ${reason}`;
    case 'deny':
      return `DENIED ${status} ${reason}${detail === undefined ? '' : ` (${detail})`}`;
    case 'preflight':
      return `PREFLIGHT ${status}${detail === undefined ? '' : ` (instead of ${detail})`}`;
    default:
      return decision satisfies never;
  }
}

function upstreamLines({ destination, host, forwardedHost, removed, streamMs }: Upstream): string[] {
  const rows: [string, string | undefined][] = [
    ['  dialed', destination ?? "by your ingress' own routes"],
    ['  sees Host', host],
    ['  X-Forwarded-Host', forwardedHost],
    ['  removed', removed.length > 0 ? removed.join(', ') : undefined],
    [
      '  ends after',
      streamMs === undefined
        ? undefined
        : `${Math.ceil(streamMs / 1000)} s, when the token or shadow mode ends`,
    ],
    [
      '  then',
      'the sandbox answers; if nothing listens on the port, Envoy answers 502 port_closed, if the connection fails, 502 upstream_failed, and if the answer cannot be read, 502 upstream_protocol_error',
    ],
  ];
  return rows.flatMap(([name, text]) => (text === undefined ? [] : [row(name, text)]));
}

function row(name: string, text: string): string {
  return `${name.padEnd(WIDTH + 4)} ${text}`.trimEnd();
}
