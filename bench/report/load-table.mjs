import { figure, table } from './markdown.mjs';

/** @param {import('../commands/load.mjs').LoadRun} run */
export function loadTable({ minutes, rate, capacity, killed, changed, memory, faults, findings }) {
  const share = capacity === undefined ? '' : `, ${Math.round((100 * rate) / capacity)} % of capacity`;
  const rows = [
    ['result', faults.length === 0 ? 'passed' : faults.join('; ')],
    ['minutes, requests/s', `${minutes}, ${figure(rate)}${share}`],
    ['requests', figure(findings.requests)],
    ['failed', figure(findings.failed)],
    ['wrong answers', figure(findings.wrong)],
    ['gates killed', figure(killed)],
    ['token rotations and policy flips', figure(changed)],
    ['WebSockets held open', figure(findings.socketsHeld)],
    [
      'p99, ms: with the gate, without, ratio',
      [findings.gate?.p99, findings.reference?.p99, findings.ratio]
        .map((value) => figure(value ?? Number.NaN))
        .join(', '),
    ],
    ...memory.map(({ when, envoyMb, gatesMb }) => [
      `memory at the ${when}, MB`,
      `Envoy ${envoyMb}, gates ${gatesMb.join(' and ')}`,
    ]),
  ];
  return table(['', ''], rows);
}
