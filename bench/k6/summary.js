// The findings of a load test, from k6's own summary. Plain JavaScript for Node and k6.

/**
 * @typedef {{ metrics: Record<string, { values: Record<string, number>, thresholds?: Record<string, { ok: boolean }> } | undefined> }} Summary
 * `ratio` compares the p99 of the two latencies (in ms); it is undefined if nothing ran without a gate.
 * @typedef {{ requests: number, perSecond: number, failed: number, wrong: number, dropped: number, socketsHeld: number, gate: Latency | undefined, reference: Latency | undefined, ratio: number | undefined, broken: string[] }} Findings
 * @typedef {{ p50: number, p90: number, p99: number, p999: number }} Latency
 */

/** @param {Summary} summary @returns {Findings} */
export function findings({ metrics }) {
  /** @param {string} metric @param {string} name */
  const value = (metric, name) => metrics[metric]?.values[name] ?? 0;
  const gate = latency(metrics['http_req_duration{scenario:steady}']);
  const reference = latency(metrics['http_req_duration{scenario:reference}']);
  const broken = Object.entries(metrics).flatMap(([name, metric]) =>
    Object.entries(metric?.thresholds ?? {})
      .filter(([, { ok }]) => !ok)
      .map(([threshold]) => `${name}: ${threshold}`),
  );
  return {
    requests: value('http_reqs', 'count'),
    perSecond: value('http_reqs', 'rate'),
    // A k6 Rate counts the events it is named after: a failed request is a pass of "failed".
    failed: value('http_req_failed', 'passes'),
    wrong: value('wrong_answers', 'count'),
    dropped: value('dropped_iterations', 'count'),
    socketsHeld: value('sockets_held', 'count'),
    gate,
    reference,
    ratio: gate && reference && gate.p99 / reference.p99,
    broken,
  };
}

/** @param {{ values: Record<string, number> } | undefined} metric @returns {Latency | undefined} */
function latency(metric) {
  const { values = {} } = metric ?? {};
  if (!values['p(99)']) return undefined;
  return {
    p50: values.med ?? 0,
    p90: values['p(90)'] ?? 0,
    p99: values['p(99)'],
    p999: values['p(99.9)'] ?? 0,
  };
}

/** @param {Summary} summary @returns {[string, string][]} */
function rows(summary) {
  const found = findings(summary);
  /** @param {Latency | undefined} of */
  const shown = (of) =>
    of
      ? `p50 ${of.p50.toFixed(2)}, p90 ${of.p90.toFixed(2)}, p99 ${of.p99.toFixed(2)}, p99.9 ${of.p999.toFixed(2)} ms`
      : '-';
  return [
    ['requests', `${found.requests} (${found.perSecond.toFixed(0)} per second)`],
    ['failed', String(found.failed)],
    ['wrong answers', String(found.wrong)],
    ['not sent in time by k6 itself', String(found.dropped)],
    ['WebSockets held open', String(found.socketsHeld)],
    ['latency with the gate', shown(found.gate)],
    ['latency without one', shown(found.reference)],
    ['p99, ratio', found.ratio?.toFixed(2) ?? '-'],
    ['thresholds broken', found.broken.join('; ') || 'none'],
  ];
}

/** @param {Summary} summary */
export function summaryText(summary) {
  return `\n${rows(summary)
    .map(([name, text]) => `  ${name.padEnd(30)} ${text}`)
    .join('\n')}\n`;
}

/** @param {Summary} summary */
export function summaryHtml(summary) {
  const good = findings(summary).broken.length === 0;
  const body = rows(summary)
    .map(([name, text]) => `<tr><th>${escaped(name)}</th><td>${escaped(text)}</td></tr>`)
    .join('\n');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Sandgate under load</title><style>
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}
th{text-align:left;font-weight:normal;padding:.25rem 1.5rem .25rem 0;vertical-align:top}
td{font-variant-numeric:tabular-nums}
</style></head><body><h1>Sandgate under load: ${good ? 'passed' : 'failed'}</h1>
<table>
${body}
</table></body></html>
`;
}

/** @param {string} text */
function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
