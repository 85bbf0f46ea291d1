import { figure, table } from './markdown.mjs';

/** @param {import('../commands/scale.mjs').ScaleRun} run */
export function scaleTable({ rows }) {
  const head = [
    'policies',
    'hot',
    'store, MB',
    'start, ms',
    'gate after start, MB',
    'gate with hot policies, MB',
    'hot p50, µs',
    'hot p99, µs',
    'cold p50, µs',
    'cold p99, µs',
  ];
  return table(
    head,
    rows.map((row) =>
      [
        row.policies,
        row.hot,
        row.storeMb,
        row.startMs,
        row.startedMb,
        row.hotMb,
        row.hotUs.p50,
        row.hotUs.p99,
        row.coldUs.p50,
        row.coldUs.p99,
      ].map(figure),
    ),
  );
}
