import {
  ENVOY_METRICS,
  FLEET_METRICS,
  METRICS,
  PROCESS_METRICS,
} from '../../src/observe/metric-catalogue.ts';

/** Names of the metrics that a PromQL expression reads. */
export function metricsIn(expr: string): string[] {
  const bare = expr
    .replace(/"[^"]*"|\{[^}]*\}|\[[^\]]*\]/g, ' ')
    .replace(/\b(by|without|on|ignoring)\s*\([^)]*\)|\boffset \w+/g, ' ');
  const names = [...bare.matchAll(/[a-z_]\w*(?![\w]|\s*\()/g)].map(([name]) => name);
  return names.filter((name) => !['and', 'or', 'unless'].includes(name));
}

/** Every series name that a gate, Envoy or Prometheus itself may export. */
export const KNOWN: ReadonlySet<string> = new Set([
  'up',
  'ALERTS',
  ...Object.values(METRICS).flatMap(({ name, type }) =>
    type === 'histogram' ? ['_bucket', '_sum', '_count'].map((suffix) => name + suffix) : [name],
  ),
  ...Object.keys(PROCESS_METRICS).flatMap((name) =>
    name.endsWith('_duration_seconds') ? [`${name}_sum`] : [name],
  ),
  ...Object.values(FLEET_METRICS).map(({ name }) => name),
  ...Object.keys(ENVOY_METRICS),
]);
