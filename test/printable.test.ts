import fc from 'fast-check';
import { expect, it } from 'vitest';
import { hasHidden, printable, printableJson, printableLine } from '../src/printable.ts';

/** One of each kind, by its name in Unicode. */
const HIDDEN = {
  escape: '\x1b',
  'carriage return': '\r',
  delete: '\x7f',
  'control sequence introducer (C1)': '\x9b',
  'soft hyphen': '\u00ad',
  'zero width space': '\u200b',
  'right-to-left override': '\u202e',
  'first strong isolate': '\u2068',
  'Arabic letter mark': '\u061c',
  'byte order mark': '\ufeff',
  'line separator': '\u2028',
  'paragraph separator': '\u2029',
  'tag a': '\u{e0061}',
};

it.each(Object.entries(HIDDEN))('shows %s', (_name, character) => {
  const hex = character.codePointAt(0)!.toString(16);
  expect(hasHidden(`a${character}b`)).toBe(true);
  expect(printable(`a${character}b`)).toBe(`a\\u{${hex}}b`);
  expect(printableLine(`a${character}b`)).toBe(`a\\u{${hex}}b`);
  const json = printableJson(JSON.stringify({ text: character }));
  expect(hasHidden(json)).toBe(false);
  expect(JSON.parse(json)).toEqual({ text: character });
});

it('leaves newlines and tabs in text, and shows them in a field', () => {
  expect(printable('a\n\tb')).toBe('a\n\tb');
  expect(printableLine('a\n\tb')).toBe('a\\u{a}\\u{9}b');
});

it('leaves letters of every script as they are', () => {
  const text = 'Ünïcode, العربية, 中文, 👩 ✗';
  expect([printable(text), printableLine(text), hasHidden(text)]).toEqual([text, text, false]);
});

it('keeps the value of JSON, compact or not', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(undefined, 2), (value, indent) => {
      const json = printableJson(JSON.stringify(value, null, indent));
      expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(value)));
      expect(hasHidden(json.replace(/\n/g, ''))).toBe(false);
    }),
  );
});
