import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PortBudget, type PortLimits } from '../../src/check/port-budget.ts';

const LIMITS: PortLimits = { sandbox: 255, sandboxUnproven: 192, client: 64, clientUnproven: 48 };
const A = '192.0.2.1';
const B = '192.0.2.2';
const stranger = (number: number) => `198.51.100.${number}`;

const budgetOf = (over: Partial<PortLimits> = {}, generation?: number) =>
  new PortBudget({ ...LIMITS, ...over }, generation);

/** Number of ports from 1 on that are admitted without a look at them. */
function sweep(budget: PortBudget, sandboxId: string, ports: number, client: string, now: number): number {
  let admitted = 0;
  for (let port = 1; port <= ports; port++) {
    if (budget.admits(sandboxId, port, client, now) === 'admitted') admitted++;
  }
  return admitted;
}

/** Takes every place for unproven ports of a sandbox, from four addresses. */
function exhaust(budget: PortBudget, sandboxId: string, now: number): void {
  for (let port = 1; port <= 192; port++) budget.admits(sandboxId, port, stranger(port % 4), now);
}

test('a sweep over every port gets 48, and with ports on which something listens 64', () => {
  const budget = budgetOf();
  expect(sweep(budget, 'a', 65_535, A, 0)).toBe(48);
  for (let port = 1000; port < 1016; port++) expect(budget.admitsProven('a', port, A, 0)).toBe(true);
  expect(budget.admitsProven('a', 2000, A, 0)).toBe(false);
  expect(budget.admits('a', 2000, A, 0)).toBe('refused');
});

test('sweeps from many addresses get 192 of one sandbox, and ports on which something listens the rest', () => {
  const budget = budgetOf();
  let admitted = 0;
  for (let port = 1; port <= 65_535; port++) {
    if (budget.admits('a', port, stranger(port % 250), 0) === 'admitted') admitted++;
  }
  expect(admitted).toBe(192);
  expect(budget.admits('a', 60_000, A, 0)).toBe('unproven');
  for (let port = 1000; port < 1063; port++) {
    expect(budget.admitsProven('a', port, stranger(port % 250), 0)).toBe(true);
  }
  expect(budget.admitsProven('a', 60_000, A, 0)).toBe(false);
  expect(budget.admits('a', 60_000, A, 0)).toBe('refused');
  expect(budget.admits('b', 60_000, A, 0)).toBe('admitted');
});

test('a port with a place is open to every client, and is charged to the first', () => {
  const budget = budgetOf();
  exhaust(budget, 'a', 0);
  expect(budget.admits('a', 7, A, 500)).toBe('admitted');
  expect(budget.admits('a', 7, A, 5000)).toBe('admitted');
  expect(sweep(budgetOf(), 'a', 48, A, 0)).toBe(48);

  const shared = budgetOf();
  sweep(shared, 'a', 48, A, 0);
  expect(sweep(shared, 'a', 48, B, 2000)).toBe(48);
  expect(shared.admits('a', 50, A, 2000)).toBe('unproven');
  expect(shared.admits('a', 50, B, 2000)).toBe('admitted');
});

test('the addresses of an IPv6 network count as one client', () => {
  const budget = budgetOf();
  let admitted = 0;
  for (let port = 1; port <= 100; port++) {
    if (budget.admits('a', port, `2001:db8:1:2::${port.toString(16)}`, 0) === 'admitted') admitted++;
  }
  expect(admitted).toBe(48);
  expect(budget.admits('a', 100, '2001:db8:1:3::1', 0)).toBe('admitted');
});

test('a port that was found open keeps its place while it is used, whatever else is asked for', () => {
  const budget = budgetOf();
  exhaust(budget, 'a', 0);
  expect(budget.admits('a', 8080, A, 0)).toBe('unproven');
  expect(budget.admitsProven('a', 8080, A, 0)).toBe(true);
  for (let now = 30_000; now <= 300_000; now += 30_000) {
    sweep(budget, 'a', 1000, stranger(now % 250), now);
    expect(budget.admits('a', 8080, B, now)).toBe('admitted');
  }
});

test('a port that was not used for a minute no longer counts', () => {
  const budget = budgetOf();
  exhaust(budget, 'a', 0);
  expect(budget.admits('a', 1, A, 59_000)).toBe('admitted');
  expect(budget.admits('a', 9999, A, 60_000)).toBe('unproven');
  expect(sweep(budget, 'a', 65_535, A, 61_000)).toBe(49);
});

test('no window of 60 s ever holds more distinct ports than the limits', () => {
  const limits: PortLimits = { sandbox: 6, sandboxUnproven: 4, client: 3, clientUnproven: 2 };
  const step = fc.record({
    port: fc.integer({ min: 1, max: 12 }),
    client: fc.integer({ min: 1, max: 4 }),
    wait: fc.oneof(fc.integer({ min: 0, max: 20_000 }), fc.constant(0)),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 80 }), (walk) => {
      const budget = new PortBudget(limits);
      const isListening = (port: number) => port % 2 === 0;
      const uses: { port: number; at: number }[] = [];
      const first: { port: number; client: number; at: number; proven: boolean }[] = [];
      let now = 0;
      for (const { port, client, wait } of walk) {
        now += wait;
        // A place lasts up to a second longer than a minute.
        const isNew = !uses.some((use) => use.port === port && use.at > now - 61_000);
        const admission = budget.admits('a', port, stranger(client), now);
        const proven = admission === 'unproven' && isListening(port);
        if (admission !== 'admitted' && !(proven && budget.admitsProven('a', port, stranger(client), now)))
          continue;
        uses.push({ port, at: now });
        if (isNew) first.push({ port, client, at: now, proven });
        const recent = <T extends { at: number }>(all: T[]) => all.filter(({ at }) => at > now - 60_000);
        expect(new Set(recent(uses).map((use) => use.port)).size).toBeLessThanOrEqual(limits.sandbox);
        const mine = recent(first).filter((one) => one.client === client);
        expect(mine.length).toBeLessThanOrEqual(limits.client);
        expect(mine.filter((one) => !one.proven).length).toBeLessThanOrEqual(limits.clientUnproven);
        const unproven = recent(first).filter((one) => !one.proven);
        expect(unproven.length).toBeLessThanOrEqual(limits.sandboxUnproven);
      }
    }),
    { numRuns: 500 },
  );
});

test('sandboxes without requests are dropped, those in use are not', () => {
  const budget = budgetOf({}, 1000);
  sweep(budget, 'other0', 48, A, 0);
  exhaust(budget, 'used', 0);
  for (let i = 1; i < 100; i++) {
    sweep(budget, `other${i}`, 48, A, 0);
    expect(budget.admits('used', 300, A, 0)).toBe('unproven');
  }
  expect(budget.admits('other0', 300, A, 0)).toBe('admitted');
});

test('memory is bounded for any number of sandboxes and clients', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const heap = () => {
    collect();
    return process.memoryUsage().heapUsed / 1024 / 1024;
  };
  const before = heap();
  // A quarter of the default.
  const budget = budgetOf({}, 16_384);
  // Two ports each take the most memory for a port; every request comes from another address.
  const ask = (from: number, to: number) => {
    for (let number = from; number < to; number++) {
      const id = `isv6ril5xadwn1${number.toString(36).padStart(7, '0')}`;
      for (const port of [8080, 9090]) {
        budget.admits(id, port, `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`, number / 1000);
      }
    }
  };
  ask(0, 16_300);
  const full = heap() - before;
  ask(16_300, 48_900);
  const later = heap() - before;
  console.info(
    `heap of the budget: ${full.toFixed(1)} MiB, ${later.toFixed(1)} for three times as many sandboxes`,
  );
  expect(full).toBeLessThan(12);
  expect(later).toBeLessThan(12);
  expect(budget.admits('isv6ril5xadwn10000001', 1, A, 200)).toBe('admitted');
});
