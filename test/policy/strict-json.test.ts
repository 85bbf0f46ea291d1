import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseOwnJson, parseStrictJson } from '../../src/policy/strict-json.ts';

describe('strict JSON', () => {
  it('reads whatever JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const text = JSON.stringify(value);
        expect(parseStrictJson(text)).toEqual({ value: JSON.parse(text) });
      }),
    );
  });

  it('refuses whatever JSON.parse refuses', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'{}[],:"\\ 0-1e.tn/*\n\u0001'), maxLength: 12 }),
        (text) => {
          let isJson = true;
          try {
            JSON.parse(text);
          } catch {
            isJson = false;
          }
          const read = parseStrictJson(text);
          const isRepeated = 'fault' in read && read.fault.problem === 'duplicate key';
          expect('value' in read || isRepeated).toBe(isJson);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['{"a": 1,\n "a": 2}', { problem: 'duplicate key', line: 2, column: 2 }],
    ['{"a": {"b": 1}, "\\u0061": 2}', { problem: 'duplicate key', line: 1, column: 17 }],
    ['{"__proto__": 1, "__proto__": 2}', { problem: 'duplicate key', line: 1, column: 18 }],
    ['{"a": }', { problem: 'value expected', line: 1, column: 7 }],
    ['[1, 2] 3', { problem: 'end of file expected', line: 1, column: 8 }],
    ['['.repeat(2_000_000), { problem: 'more than 32 levels', line: 1, column: 33 }],
    ['{"a":'.repeat(100_000), { problem: 'more than 32 levels', line: 1, column: 161 }],
  ])('names the place of a fault', (text, fault) => {
    expect(parseStrictJson(text)).toEqual({ fault });
  });

  it('accepts a key that other objects have, and as many values as asked for', () => {
    expect(parseStrictJson('[{"a":{"a":1}},{"a":2}]')).toEqual({ value: [{ a: { a: 1 } }, { a: 2 }] });
    expect(parseStrictJson('[1,2,3]', 4)).toEqual({ value: [1, 2, 3] });
    expect(parseStrictJson('[1,2,3]', 3)).toMatchObject({
      fault: { problem: 'more than 3 keys and values' },
    });
  });
});

describe('JSON that Sandgate wrote', () => {
  it('is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const text = JSON.stringify(value);
        expect(parseOwnJson(text)).toEqual({ value: JSON.parse(text) });
      }),
    );
  });

  it.each([
    ['{"a":1,"a":2}', 'duplicate key', 8],
    ['{"a":1,"a":1}', 'duplicate key', 8],
    ['{"b":{"a":1,"\\u0061":2}}', 'duplicate key', 13],
    ['{"a":1', 'close brace expected', 7],
  ])('is refused if another program made it %s', (text, problem, column) => {
    expect(parseOwnJson(text)).toEqual({ fault: { problem, line: 1, column } });
  });

  it('may be laid out in another way', () => {
    expect(parseOwnJson('{ "b": 1,\n "1": 2 }')).toEqual({ value: { b: 1, 1: 2 } });
  });
});
