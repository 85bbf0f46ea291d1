import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { METRICS } from '../../src/observe/metric-catalogue.ts';
import { KNOWN, metricsIn } from './promql.ts';

interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { expr: string }[];
}

const dashboard: {
  schemaVersion: number;
  uid: string;
  panels: Panel[];
  templating: { list: { query: unknown }[] };
} = JSON.parse(readFileSync(new URL('../../deploy/grafana/sandgate.json', import.meta.url), 'utf8'));
const { panels } = dashboard;
const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

describe('the Grafana dashboard', () => {
  it.each(expressions)('reads metrics that exist: %s', (expr) => {
    expect(metricsIn(expr)).not.toEqual([]);
    for (const name of metricsIn(expr)) expect(KNOWN).toContain(name);
  });

  it('shows every metric of the catalogue', () => {
    const shown = new Set(
      expressions.flatMap(metricsIn).map((name) => name.replace(/_(bucket|sum|count)$/, '')),
    );
    for (const { name } of Object.values(METRICS)) expect(shown).toContain(name);
  });

  it('goes from the traffic down to the process, row by row', () => {
    const rows = panels.filter(({ type }) => type === 'row').map(({ title }) => title);
    expect(rows).toEqual(['Traffic', 'Denials by reason', 'Latency', 'Cache', 'Store', 'Process']);
  });

  it('gives every panel its own place within the width of 24, and its own id', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const taken = new Set<string>();
    for (const { title, gridPos } of panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(x, title).toBeLessThan(24);
          expect(taken, title).not.toContain(`${x},${y}`);
          taken.add(`${x},${y}`);
        }
      }
    }
  });
});
