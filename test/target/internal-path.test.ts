import fc from 'fast-check';
import { expect, test } from 'vitest';
import { internalPath } from '../../src/target/internal-path.ts';
import { anyText } from '../any-text.ts';

const NAMES = ['collapse', 'freeze', 'fsfreeze', 'fsthaw', 'init', 'unfreeze', 'upgrade'];

test.each(NAMES)('/%s is internal', (name) => {
  expect(internalPath(`/${name}`)).toBe(`/${name}`);
});

/** Attack C4 of docs/threats.md and its relatives; right, the path that the answer names. */
test.each<[requestTarget: string, named: string]>([
  ['//init', '//init'],
  ['/./init', '/./init'],
  ['/x/../init', '/x/../init'],
  ['/../init', '/../init'],
  ['/%69nit', '/init'],
  ['/%69%6E%69%74', '/init'],
  ['/%2finit', '//init'],
  ['%2finit', '/init'],
  ['/%2e%2e/init', '/../init'],
  ['/x%2f..%2finit', '/x/../init'],
  ['/init/', '/init/'],
  ['/init//', '/init//'],
  ['/init/.', '/init/.'],
  ['/init/x/..', '/init/x/..'],
  ['/init?x', '/init'],
  ['/init?', '/init'],
  ['/init?/../x', '/init'],
  ['/init;x', '/init;x'],
  ['/init;a=b', '/init;a=b'],
  ['/init;a=b/', '/init;a=b/'],
  ['/init%3Bx', '/init;x'],
  ['/..;x/init', '/..;x/init'],
  ['/init/..;x/..', '/init/..;x/..'],
  ['/init#', '/init#'],
  ['/init#x', '/init#x'],
  ['/init%23', '/init#'],
  ['/init%3fx', '/init?x'],
  ['/init%00', '/init\0'],
  ['/init%00.js', '/init\0.js'],
  ['/%zz/../init', '/%zz/../init'],
  ['/%c3%a9/../init', '/é/../init'],
  ['/%ff/../init', '/\ufffd/../init'],
  ['init', 'init'],
  ['http://h/init', '/init'],
  ['HTTPS://h:1/x/../init?y', '/x/../init'],
  ['/<b>&/../init', '/<b>&/../init'],
])('%j is internal', (requestTarget, named) => {
  expect(internalPath(requestTarget)).toBe(named);
});

test.each([
  '/',
  '',
  '*',
  '/initialize',
  '/init/x',
  '/INIT',
  '/Init',
  '/x/init',
  '/xinit',
  '/init.',
  '/init%',
  '/init%2',
  '/ini%74x',
  '/%2569nit',
  '/%c0%afinit',
  '/%c0%69nit',
  '/init%20',
  '/ｉnit',
  '/?/init',
  '/x?/../init',
  '/x?y=%2finit',
  '/health',
  '/process.Process/Start',
  '/init/../x',
  'http://init',
  'http://h/x?/init',
])('%j is not', (requestTarget) => {
  expect(internalPath(requestTarget)).toBeUndefined();
});

test('a name stays internal under percent-encoding of any of its characters, dot segments and doubled slashes', () => {
  const encoded = (character: string) => `%${character.charCodeAt(0).toString(16)}`;
  const spelled = fc
    .constantFrom(...NAMES)
    .chain((name) =>
      fc
        .array(fc.boolean(), { minLength: name.length, maxLength: name.length })
        .map((hidden) => [...name].map((c, i) => (hidden[i] ? encoded(c) : c)).join('')),
    );
  const prefix = fc
    .array(fc.constantFrom('/', '/.', '/x/..', '/..', '/%2e', '/a%2fb/../..'))
    .map((p) => p.join(''));
  const suffix = fc.constantFrom('', '/', '/.', '//', '/x/..', '?q', ';p', '/?init');
  fc.assert(
    fc.property(prefix, spelled, suffix, (before, name, after) => {
      expect(internalPath(`${before}/${name}${after}`)).toBeDefined();
    }),
  );
});

test('a long path is read as a short one: segment by segment, whatever stands between them', () => {
  const segment = fc.constantFrom(
    '',
    '.',
    '..',
    'init',
    'x',
    'init;p',
    '..;p',
    '.;p',
    ';p',
    '%2e%2e',
    'in%69t',
    'init%00',
  );
  fc.assert(
    fc.property(fc.array(segment, { maxLength: 8 }), (segments) => {
      const path = `/${segments.join('/')}`;
      expect(internalPath(path) !== undefined).toBe(bySplitting(path));
      expect(internalPath(`${'/./x/..'.repeat(2000)}${path}`) !== undefined).toBe(bySplitting(path));
    }),
  );
});

/** The rule word by word, with one list for each step. */
function bySplitting(path: string): boolean {
  const segments = decodeURIComponent(path).split('/');
  const strip = (segment: string) => segment.split(/[;?#\0]/)[0]!;
  return [segments, segments.map(strip)].some((reading) => {
    const cleaned: string[] = [];
    for (const part of reading) {
      if (part === '..') cleaned.pop();
      else if (part !== '' && part !== '.') cleaned.push(part);
    }
    return cleaned.length === 1 && NAMES.includes(strip(cleaned[0]!));
  });
}

test('any text has an answer', () => {
  fc.assert(
    fc.property(anyText(60), (text) => {
      internalPath(text);
    }),
    { numRuns: 1000 },
  );
});
