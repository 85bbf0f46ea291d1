import type { Explanation, Upstream } from './explanation.ts';

const WIDTH = 15;

/** An explanation for a person: the outcome, the steps, and what would be seen at either end. */
export function explanationText(explanation: Explanation): string {
  const { request, fault, steps, upstream, answer } = explanation;
  const lines = [`${outcome(explanation)}    ${request.method} ${request.host}${request.path}`, ''];
  for (const { name, passed, found } of steps) lines.push(row(`${passed ? ' ' : '✗'} ${name}`, found));
  if (fault !== undefined) lines.push(row('✗ fault', fault));
  lines.push('');
  if (upstream !== undefined) lines.push(...upstreamLines(upstream));
  if (answer !== undefined) {
    lines.push(row('  answer', `${answer.status}, which the client gets from the gate`));
    for (const [name, value] of answer.headers) lines.push(row('', `${name}: ${value}`));
    if (answer.body !== '') lines.push('', answer.body.trimEnd());
  }
  return lines.join('\n');
}

function outcome({ decision, status, reason, detail }: Explanation): string {
  switch (decision) {
    case 'allow':
      return 'ALLOWED';
    case 'deny':
      return `DENIED ${status} ${reason}${detail === undefined ? '' : ` (${detail})`}`;
    case 'preflight':
      return `PREFLIGHT ${status}${detail === undefined ? '' : ` (in place of ${detail})`}`;
    default:
      return decision satisfies never;
  }
}

function upstreamLines({ destination, host, forwardedHost, removed, streamMs }: Upstream): string[] {
  const rows: [string, string | undefined][] = [
    ['  dialled', destination ?? 'by the routes of your ingress'],
    ['  sees Host', host],
    ['  X-Forwarded-Host', forwardedHost],
    ['  removed', removed.length > 0 ? removed.join(', ') : undefined],
    [
      '  ends after',
      streamMs === undefined ? undefined : `${Math.ceil(streamMs / 1000)} s, as the token does`,
    ],
    [
      '  then',
      'the sandbox answers; Envoy itself says 502 port_closed where nothing listens, 502 upstream_failed where it breaks off',
    ],
  ];
  return rows.flatMap(([name, text]) => (text === undefined ? [] : [row(name, text)]));
}

function row(name: string, text: string): string {
  return `${name.padEnd(WIDTH + 4)} ${text}`.trimEnd();
}
