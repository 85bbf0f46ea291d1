import { describe, expect, it } from 'vitest';
import { parseDuration } from '../../../src/cli/token/duration.ts';

describe('a duration', () => {
  it.each([
    ['0', 0],
    ['90', 90],
    ['90s', 90],
    ['5m', 300],
    ['2h', 7200],
    ['7d', 604_800],
  ])('%s is %i seconds', (text, seconds) => expect(parseDuration(text)).toBe(seconds));

  it.each(['', '-1', '1.5', '5 m', '5w', '1e3', 'm', '5M', '1h30m', '9999999999'])('refuses %j', (text) =>
    expect(() => parseDuration(text)).toThrow('seconds'),
  );
});
