import { describe, expect, it } from 'vitest';
import { scenarios } from '../../bench/k6/scenarios.js';
import { findings, summaryHtml, summaryText } from '../../bench/k6/summary.js';
import { isCertain, isPublic, passingPeriods, periodAt, refusedPeriod } from '../../bench/k6/timetable.js';
import { changesAt, conduct } from '../../bench/load/conductor.mjs';
import { faults } from '../../bench/load/verdict.mjs';

const NOON = Date.parse('2026-01-01T12:00:00Z');

describe('the timetable', () => {
  it('accepts the current token even if the conductor is up to a period behind or ahead', () => {
    for (const skew of [-9000, 0, 9000]) {
      expect(passingPeriods(NOON + skew)).toContain(periodAt(NOON));
      expect(passingPeriods(NOON + skew)).not.toContain(refusedPeriod(NOON));
    }
  });

  it('sends only requests with a known answer', () => {
    for (let at = NOON; at < NOON + 20_000; at += 100) {
      if (isCertain(at))
        expect([isPublic(at - 2000), isPublic(at + 2000)]).toEqual([isPublic(at), isPublic(at)]);
    }
  });

  it('becomes policies that hold digests of tokens, never tokens', () => {
    const [rotating, flipping] = changesAt(NOON, 'secret');
    expect(rotating?.access.tokens).toHaveLength(3);
    expect(flipping?.access).toMatchObject({ allowPublicTraffic: isPublic(NOON) });
    expect(JSON.stringify([rotating, flipping])).not.toContain('secret');
  });

  it('writes at once, because earlier writes may belong to an earlier period', async () => {
    let written = () => {};
    const first = new Promise<void>((resolve) => {
      written = resolve;
    });
    const conductor = conduct(async () => written(), 'secret');
    await first;
    // A write counts once it has ended.
    await new Promise((resolve) => setImmediate(resolve));
    expect(conductor.stop()).toBeGreaterThan(0);
  });
});

it('the constant scenarios add up to the requested rate, not counting the leg without a gate', () => {
  const { reference, ...planned } = scenarios({ rate: 1000, seconds: 300, sockets: 20 });
  const rates = Object.values(planned).map((scenario) => ('rate' in scenario ? scenario.rate : 0));
  expect(rates.reduce((sum, rate) => sum + rate)).toBe(1000);
  expect(reference.rate).toBe(50);
});

function summary({ wrong = 0, failed = 0, gateP99 = 5, ok = true } = {}) {
  const latency = (p99: number) => ({ values: { med: 1, 'p(90)': 2, 'p(99)': p99, 'p(99.9)': 9 } });
  return {
    metrics: {
      http_reqs: { values: { count: 1000, rate: 100 } },
      http_req_failed: { values: { passes: failed } },
      wrong_answers: { values: { count: wrong }, thresholds: { 'count==0': { ok } } },
      'http_req_duration{scenario:steady}': latency(gateP99),
      'http_req_duration{scenario:reference}': latency(2),
    },
  };
}

describe('the verdict on a load test', () => {
  it('is a pass if every answer was as expected, within the ratio', () => {
    expect(faults(summary(), { p99Ratio: 3 })).toEqual([]);
  });

  it.each([
    [
      'a wrong answer',
      { wrong: 1, ok: false },
      ['threshold broken: wrong_answers: count==0', '1 answers were wrong'],
    ],
    ['a failed request', { failed: 2 }, ['2 requests failed']],
    [
      'a p99 out of proportion',
      { gateP99: 8 },
      ['p99 is 4.0 times that without a gate; 3 times are allowed'],
    ],
  ])('fails on %s', (_name, over, lines) => {
    expect(faults(summary(over), { p99Ratio: 3 })).toEqual(lines);
  });

  it('fails if nothing was sent at all', () => {
    expect(faults({ metrics: {} }, { p99Ratio: 3 })).toEqual(['no request was sent']);
  });
});

describe('the summary', () => {
  it('says the same as text and as a page', () => {
    expect(findings(summary())).toMatchObject({ requests: 1000, ratio: 2.5, broken: [] });
    expect(summaryText(summary())).toContain('p99, ratio                     2.50');
    expect(summaryHtml(summary())).toContain('<h1>Sandgate under load: passed</h1>');
    expect(summaryHtml(summary({ ok: false }))).toContain('failed</h1>');
  });
});
