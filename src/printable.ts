/**
 * Control, format (bidirectional ones included), and line and paragraph separator characters. In a terminal they move
 * the cursor, hide text or show it in another order, so that what a person reads is not what is there.
 */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
const ALL_HIDDEN = new RegExp(HIDDEN, 'gu');

export function hasHidden(text: string): boolean {
  return HIDDEN.test(text);
}

/** Text for a terminal: hidden characters as `\u{200b}`, except newlines and tabs, which lay out what we print. */
export function printable(text: string): string {
  return escapeHidden(text, (character) =>
    character === '\n' || character === '\t' ? character : escaped(character),
  );
}

/** Text from outside, such as a field of a record or a message of another machine, as part of one line. */
export function printableLine(text: string): string {
  return escapeHidden(text, escaped);
}

/** JSON for a terminal: the same value, with hidden characters inside strings as `\u200b`. */
export function printableJson(json: string): string {
  return escapeHidden(json, (character) => {
    // Between values; inside a string, JSON has escaped them already.
    if (character === '\n' || character === '\t') return character;
    return Array.from({ length: character.length }, (_, at) => escapeUnit(character.charCodeAt(at))).join('');
  });
}

function escapeHidden(text: string, replace: (character: string) => string): string {
  return HIDDEN.test(text) ? text.replace(ALL_HIDDEN, replace) : text;
}

const escaped = (character: string) => `\\u{${character.codePointAt(0)!.toString(16)}}`;
const escapeUnit = (unit: number) => `\\u${unit.toString(16).padStart(4, '0')}`;
