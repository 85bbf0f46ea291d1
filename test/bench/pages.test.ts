import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Row, Run } from '../../bench/commands/run.mjs';
import { headline } from '../../bench/report/figures.mjs';
import { fillIn } from '../../bench/report/markdown.mjs';
import { envoyParts, everythingPublished, performanceParts } from '../../bench/report/pages.mjs';
import { costPlot } from '../../bench/report/plots.mjs';
import { PACKAGE_ROOT } from '../../src/package-root.ts';

const percentiles = (at: number) => ({ p50: at, p75: at, p90: at, p99: at * 2, p999: at * 3, max: at * 4 });

function row(contender: string, round: number, envoyUs: number, gateUs: number, share?: number): Row {
  const latency = { latencyMs: percentiles(contender === 'open' ? 1 : 1.5), latenessMs: percentiles(0) };
  const counts = { requests: 1000, wrong: 0, seconds: 1, perSecond: 1000, busy: 0.5 };
  return { contender, mix: 'allow', round, envoyUs, gateUs, ...latency, ...counts, ...(share && { share }) };
}

const machine = { cpu: 'a CPU', cores: 2, memoryGb: 8, kernel: '6.1', node: '20.0.0', envoy: '1.40.0' };
const run = {
  kind: 'run',
  machine: { ...machine, pinned: true, load: 0.1, at: '2026-01-01T00:00:00.000Z' },
  quick: false,
  capacity: 4000,
  closed: [0, 1, 2].flatMap((n) => [
    row('open', n, 60 + n, 0),
    row('gate', n, 150 + n, 110),
    row('floor', n, 150 + n, 100),
  ]),
  open: [row('open', 0, 60, 0, 0.5), row('gate', 0, 150, 110, 0.5)],
} as Omit<Run, 'plan'> as Run;

describe('the headline of a run', () => {
  it('is the CPU added to each round, as vCPU for 1,000 requests/s', () => {
    expect(headline(run)).toMatchObject({
      vcpuAdded: 0.2,
      overFloor: { median: 1.1 },
      p50Added: { median: 0.5 },
      p99Added: { median: 1 },
    });
  });

  it('is on the first screen of the page, with the machine', () => {
    const { headline: text } = performanceParts({ run });
    expect(text).toContain('| **vCPU added in total** | **0.2** |');
    expect(text).toContain(
      'Measured on: a CPU, 2 cores, 8 GB; Linux 6.1; Node 20.0.0; Envoy 1.40.0; pinned cores',
    );
  });

  it('is drawn without a browser', () => {
    const svg = costPlot(run);
    expect(svg).toMatch(/^<svg [\s\S]*<\/svg>\s*$/);
    expect(svg).toContain('Sandgate: gate');
  });
});

describe('the published pages', () => {
  it.each([
    ['docs/performance.md', performanceParts],
    ['envoy/README.md', envoyParts],
  ])('%s says what the published figures say', (name, parts) => {
    const page = readFileSync(`${PACKAGE_ROOT}${name}`, 'utf8');
    expect(fillIn(page, parts(everythingPublished()))).toBe(page);
  });
});
