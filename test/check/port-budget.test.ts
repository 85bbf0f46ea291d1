import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PortBudget } from '../../src/check/port-budget.ts';

function sweep(budget: PortBudget, sandboxId: string, ports: number, now: number): number {
  let admitted = 0;
  for (let port = 1; port <= ports; port++) if (budget.admits(sandboxId, port, 256, now)) admitted++;
  return admitted;
}

test('a sweep over every port gets as many ports as the limit', () => {
  expect(sweep(new PortBudget(), 'a', 65_535, 0)).toBe(256);
});

test('ports in use keep working during a sweep, and other sandboxes are not affected', () => {
  const budget = new PortBudget();
  budget.admits('a', 60_000, 256, 0);
  sweep(budget, 'a', 1000, 500);
  expect(budget.admits('a', 60_000, 256, 30_000)).toBe(true);
  expect(budget.admits('a', 59_000, 256, 30_000)).toBe(false);
  expect(budget.admits('b', 59_000, 256, 30_000)).toBe(true);
});

test('a port that was not used for a minute no longer counts', () => {
  const budget = new PortBudget();
  sweep(budget, 'a', 256, 0);
  expect(budget.admits('a', 1, 256, 59_000)).toBe(true);
  expect(budget.admits('a', 9999, 256, 60_000)).toBe(false);
  expect(sweep(budget, 'a', 65_535, 61_000)).toBe(256);
});

test('no window of 60 s ever holds more distinct ports than the limit', () => {
  const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 20_000 })), {
    minLength: 20,
    maxLength: 80,
  });
  fc.assert(
    fc.property(steps, (walk) => {
      const budget = new PortBudget();
      const uses: [port: number, at: number][] = [];
      let now = 0;
      for (const [port, wait] of walk) {
        now += wait;
        if (budget.admits('a', port, 4, now)) uses.push([port, now]);
        const recent = new Set(uses.filter(([, at]) => at > now - 60_000).map(([used]) => used));
        expect(recent.size).toBeLessThanOrEqual(4);
      }
    }),
    { numRuns: 500 },
  );
});

test('sandboxes without requests are dropped, those in use are not', () => {
  const budget = new PortBudget(1000);
  for (let i = 0; i < 100; i++) {
    sweep(budget, `other${i}`, 256, 0);
    expect(sweep(budget, 'used', 300, 0)).toBe(256);
    expect(budget.admits('used', 300, 256, 0)).toBe(false);
  }
  expect(budget.admits('other0', 300, 256, 0)).toBe(true);
});
