import { describe, expect, it, vi } from 'vitest';
import { watchedCheck } from '../../src/observe/instrument.ts';
import { FOUND, gate, outcome, WITH_TOKEN } from '../check/gate.ts';

function watched(parts: Parameters<typeof gate>[0] = {}) {
  const metrics = { malformed: vi.fn(), waiting: vi.fn() };
  return { check: watchedCheck(gate(parts).handler, metrics), metrics };
}

describe('a watched check', () => {
  it('returns a synchronous answer as bytes', () => {
    const { check, metrics } = watched();
    expect(outcome(check(WITH_TOKEN, Number.POSITIVE_INFINITY))).toBe('allow');
    expect(metrics.waiting).not.toHaveBeenCalled();
  });

  it('counts a check as waiting until it is answered', async () => {
    let found: (lookup: typeof FOUND) => void = () => {};
    const lookup = () => new Promise<typeof FOUND>((resolve) => (found = resolve));
    const { check, metrics } = watched({ lookup });
    const answer = check(WITH_TOKEN, Number.POSITIVE_INFINITY);
    expect(metrics.waiting.mock.calls).toEqual([[1]]);
    found(FOUND);
    expect(outcome(await answer)).toBe('allow');
    expect(metrics.waiting.mock.calls).toEqual([[1], [-1]]);
  });

  it('counts a message that is not a CheckRequest, and still throws', () => {
    const { check, metrics } = watched();
    expect(() => check(Buffer.from([0xff]), 0)).toThrow('CheckRequest');
    expect(metrics.malformed).toHaveBeenCalledTimes(1);
  });
});
