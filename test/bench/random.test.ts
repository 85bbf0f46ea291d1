import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../bench/measure/random.mjs';
import { arrivals } from '../../bench/measure/schedule.mjs';
import { zipf } from '../../bench/measure/zipf.mjs';

describe('random numbers of a measurement', () => {
  it('are the same in every run, and different with another seed', () => {
    const take = (seed: number) => Array.from({ length: 5 }, seededRandom(seed));
    expect(take(1)).toEqual(take(1));
    expect(take(1)).not.toEqual(take(2));
  });

  it('are evenly distributed between 0 and 1', () => {
    const random = seededRandom(1);
    const numbers = Array.from({ length: 10_000 }, random);
    expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...numbers)).toBeLessThan(1);
    expect(numbers.reduce((sum, number) => sum + number) / numbers.length).toBeCloseTo(0.5, 1);
  });
});

describe('a Zipf draw', () => {
  it('draws each rank as often as its weight says', () => {
    const draw = zipf(10, 1, seededRandom(1));
    const counts = Array<number>(10).fill(0);
    for (let n = 0; n < 100_000; n++) counts[draw()]! += 1;
    const sum = Array.from({ length: 10 }, (_, rank) => 1 / (rank + 1)).reduce((a, b) => a + b);
    for (const [rank, count] of counts.entries()) {
      expect(count / 100_000).toBeCloseTo(1 / (rank + 1) / sum, 2);
    }
  });

  it('reaches the first and the last rank, and none beyond', () => {
    expect(zipf(1000, 1, () => 0)()).toBe(0);
    expect(zipf(1000, 1, () => 1 - 2 ** -32)()).toBe(999);
    expect(zipf(1, 1, () => 0.5)()).toBe(0);
  });
});

describe('the arrivals of an open loop', () => {
  it('come in order, within the time, at the requested rate', () => {
    const due = arrivals(1000, 20, seededRandom(1));
    expect(due.every((at, n) => at > (due[n - 1] ?? 0))).toBe(true);
    expect(due.at(-1)).toBeLessThan(20_000);
    expect(due.length / 20).toBeGreaterThan(970);
    expect(due.length / 20).toBeLessThan(1030);
  });

  it('are those of independent users: the gaps vary as much as they last', () => {
    const due = arrivals(1000, 20, seededRandom(1));
    const gaps = [...due].map((at, n) => at - (due[n - 1] ?? 0));
    const mean = gaps.reduce((sum, gap) => sum + gap) / gaps.length;
    const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
    expect(deviation / mean).toBeCloseTo(1, 1);
  });
});
