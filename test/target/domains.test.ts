import { expect, test } from 'vitest';
import { defaultDomain, domainFaults, parseDomains } from '../../src/target/domains.ts';

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
])('%j is refused and named', (pattern) => {
  expect(domainFaults(['e2b.app', pattern, 'c_d'])).toEqual([
    expect.stringContaining(JSON.stringify(pattern)),
    expect.stringContaining('"c_d"'),
  ]);
  expect(parseDomains([pattern]).matches(pattern)).toBe(false);
});

test('no pattern at all is refused', () => {
  expect(domainFaults([])).toEqual(['no domain is configured']);
});

test.each<[patterns: string[], domain: string]>([
  [['*'], 'localhost'],
  [['*', '*.e2b.app'], 'e2b.app'],
  [['B.app', '*.e2b.app'], 'b.app'],
  [[], 'localhost'],
])('the default domain of %j is %s', (patterns, domain) => {
  expect(defaultDomain(patterns)).toBe(domain);
});
