import { describe, expect, it } from 'vitest';
import { countersBy } from '../../src/observe/counters.ts';

describe('a tally', () => {
  it('shows every key from the start, and counts each on its own', () => {
    const tally = countersBy('colour', ['red', 'blue']);
    expect(tally.samples()).toEqual([
      { labels: { colour: 'red' }, value: 0 },
      { labels: { colour: 'blue' }, value: 0 },
    ]);
    tally.add('blue');
    tally.add('blue', 4);
    tally.add('red');
    expect(tally.samples().map(({ value }) => value)).toEqual([1, 5]);
  });

  it('makes no series for a key that it was not told of', () => {
    const tally = countersBy<string>('colour', ['red']);
    tally.add('isv6ril5xadwn1k9t2jye');
    expect(tally.samples()).toEqual([{ labels: { colour: 'red' }, value: 0 }]);
  });
});
