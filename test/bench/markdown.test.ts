import { describe, expect, it } from 'vitest';
import { figure, fillIn, table, withSpread } from '../../bench/report/markdown.mjs';
import { compact } from '../../bench/results.mjs';

describe('a generated page', () => {
  const page = 'before\n<!-- generated:a -->\nold\n<!-- /generated:a -->\nafter\n';

  it('is replaced only between its markers, with the same result each time', () => {
    const filled = fillIn(page, { a: 'new' });
    expect(filled).toBe(page.replace('old', 'new'));
    expect(fillIn(filled, { a: 'new' })).toBe(filled);
  });

  it('must have markers for every part', () => {
    expect(() => fillIn(page, { b: 'new' })).toThrow('no markers for b');
  });

  it('escapes the contents of table cells', () => {
    expect(table(['a', 'b'], [['x|y', '1']])).toBe('| a | b |\n| --- | ---: |\n| x\\|y | 1 |');
  });

  it('shows only significant digits', () => {
    expect([12_345.6, 99.94, 0.01234, 0, Number.NaN].map(figure)).toEqual([
      '12,346',
      '99.9',
      '0.0123',
      '0',
      '-',
    ]);
    expect(withSpread({ median: 1.234, q1: 1, q3: 2 })).toBe('1.23 (1 to 2)');
  });
});

it('raw figures keep four digits and one line per row', () => {
  const text = compact({ machine: { load: 0.123456 }, rows: [{ us: 1.23456 }, { us: 7 }] });
  expect(text).toBe('{\n"machine": {"load":0.1235},\n"rows": [\n  {"us":1.235},\n  {"us":7}\n]\n}\n');
});
