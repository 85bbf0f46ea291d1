import { expect, test } from 'vitest';
import { defaultDomain, parseDomains } from '../../src/target/domains.ts';

test.each<[pattern: string, domain: string, matches: boolean]>([
  ['e2b.app', 'e2b.app', true],
  ['E2B.app', 'e2b.app', true],
  ['e2b.app', 'x.e2b.app', false],
  ['e2b.app', 'e2b.app.evil', false],
  ['*.e2b.app', 'e2b.app', true],
  ['*.e2b.app', 'a.b.e2b.app', true],
  ['*.e2b.app', 'evile2b.app', false],
  ['*', 'anything.at.all', true],
  ['localhost', 'localhost', true],
])('%s and %s: %s', (pattern, domain, matches) => {
  expect(parseDomains([pattern]).matches(domain)).toBe(matches);
});

test('any of several patterns is enough', () => {
  const domains = parseDomains(['a.app', '*.b.app']);
  expect(['a.app', 'x.b.app', 'x.a.app'].map((domain) => domains.matches(domain))).toEqual([
    true,
    true,
    false,
  ]);
});

test.each([
  '',
  '.',
  '*.',
  '**',
  'a..b',
  '.a',
  'a.',
  '*.*.a',
  'a.*',
  'a b',
  'a:80',
  'http://a',
  '-a.b',
  'é.app',
  'a_b',
])('%j is refused by name', (pattern) => {
  expect(() => parseDomains(['e2b.app', pattern])).toThrow(
    expect.objectContaining({
      code: 'SETTINGS_INVALID',
      message: expect.stringContaining(JSON.stringify(pattern)),
    }),
  );
});

test('no pattern at all is refused', () => {
  expect(() => parseDomains([])).toThrow(expect.objectContaining({ code: 'SETTINGS_INVALID' }));
});

test.each<[patterns: string[], domain: string]>([
  [['*'], 'localhost'],
  [['*', '*.e2b.app'], 'e2b.app'],
  [['B.app', '*.e2b.app'], 'b.app'],
  [[], 'localhost'],
])('the default domain of %j is %s', (patterns, domain) => {
  expect(defaultDomain(patterns)).toBe(domain);
});
