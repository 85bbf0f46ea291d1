import { describe, expect, it } from 'vitest';
import { countersBy } from '../../src/observe/counters.ts';

describe('counters with one label', () => {
  it('expose every key from the start and count each separately', () => {
    const counters = countersBy('colour', ['red', 'blue']);
    expect(counters.samples()).toEqual([
      { labels: { colour: 'red' }, value: 0 },
      { labels: { colour: 'blue' }, value: 0 },
    ]);
    counters.add('blue');
    counters.add('blue', 4);
    counters.add('red');
    expect(counters.samples().map(({ value }) => value)).toEqual([1, 5]);
  });

  it('have no series for an unknown key', () => {
    const counters = countersBy<string>('colour', ['red']);
    counters.add('isv6ril5xadwn1k9t2jye');
    expect(counters.samples()).toEqual([{ labels: { colour: 'red' }, value: 0 }]);
  });
});
