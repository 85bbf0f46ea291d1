import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { DecisionLog } from '../../src/observe/decision-log.ts';
import { decided } from '../decision/decided.ts';
import { NOW, preflightOf, requestOf, tokenHeader } from '../decision/request.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const DENY = decided({});
const ALLOW = decided({ request: { token: tokenHeader() } });
const PREFLIGHT = decided({ request: preflightOf() });
const SHADOW = decided({
  policy: { shadow: { from: NOW, until: NOW + 1 } },
  context: { allowShadow: true },
});

function open(allowShare = 0, level = 'info') {
  const lines: Record<string, unknown>[] = [];
  const random = vi.fn(() => 0.5);
  const log = pino({ level }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const decisions = new DecisionLog(log, { allowShare, random, monotonic: () => performance.now() });
  const note = (decision = DENY, times = 1) => {
    for (let i = 0; i < times; i++) decisions.note(decision, requestOf(), 1000);
  };
  const dropped = () => lines.filter(({ msg }) => msg === 'decisions_dropped').map(({ count }) => count);
  return { lines, random, decisions, note, dropped };
}

test('denials and what shadow mode allowed are logged; allows and preflights are not', () => {
  const { lines, note, random } = open();
  for (const decision of [DENY, SHADOW, ALLOW, PREFLIGHT]) note(decision);
  expect(lines).toMatchObject([
    { msg: 'decision', outcome: 'deny' },
    { msg: 'decision', outcome: 'shadow_allow' },
  ]);
  expect(random).not.toHaveBeenCalled();
});

test.each([
  [1, 2],
  [0.51, 2],
  [0.5, 0],
])('with a share of %d, chance decides whether an allow and a preflight are logged', (share, expected) => {
  const { lines, note } = open(share);
  note(ALLOW);
  note(PREFLIGHT);
  expect(lines).toHaveLength(expected);
});

test('lines over 100 a second are counted, and the count is logged once a second', () => {
  const { lines, note, dropped } = open();
  note(DENY, 150);
  vi.advanceTimersByTime(999);
  expect(dropped()).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(lines).toHaveLength(101);
  expect(dropped()).toEqual([50]);
  note(DENY, 103);
  vi.advanceTimersByTime(10_000);
  expect(dropped()).toEqual([50, 3]);
});

test('the rate is refilled as time passes', () => {
  const { lines, note } = open();
  note(DENY, 100);
  vi.advanceTimersByTime(10);
  note(DENY, 2);
  expect(lines).toHaveLength(101);
});

test('sampled allows do not displace a denial', () => {
  const { lines, note } = open(1);
  note(ALLOW, 500);
  note(DENY);
  expect(lines.at(-1)).toMatchObject({ outcome: 'deny' });
});

test('closing reports dropped lines and leaves no timer', () => {
  const { decisions, note, dropped } = open();
  note(DENY, 107);
  decisions.close();
  decisions.close();
  expect(dropped()).toEqual([7]);
  expect(vi.getTimerCount()).toBe(0);
});

test('if the level excludes decisions, none is built or counted', () => {
  const { lines, decisions, note } = open(1, 'warn');
  note(DENY, 500);
  decisions.close();
  expect(lines).toEqual([]);
});
