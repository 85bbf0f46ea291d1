import { expect, test } from 'vitest';
import { parseDomains } from '../../src/target/domains.ts';
import { resolveTarget } from '../../src/target/resolve.ts';
import type { HeaderValue, TargetResult } from '../../src/target/target.ts';

const ID = 'isv6ril5xadwn1k9t2jye';
const OTHER = 'iother5b5aiixd410phsjv';
const LONGEST_ID = 'a'.repeat(63);

type Header = string | string[] | undefined;
type Expected = [sandboxId: string, port: number, domain?: string] | string;

function header(value: Header): HeaderValue {
  if (value === undefined) return { kind: 'absent' };
  return typeof value === 'string' ? { kind: 'one', value } : { kind: 'several' };
}

function resolve(
  host: string,
  id?: Header,
  port?: Header,
  patterns = ['*'],
  headerRouting = true,
): TargetResult {
  return resolveTarget(host, header(id), header(port), { domains: parseDomains(patterns), headerRouting });
}

function result(expected: Expected, host = ''): TargetResult {
  if (typeof expected === 'string') return { kind: 'error', error: expected } as TargetResult;
  const [sandboxId, port, domain] = expected;
  const from = domain === undefined || /^sandbox\./i.test(host) ? 'headers' : 'host';
  return { kind: 'target', target: { sandboxId, port, domain, from } };
}

/** The table of docs/contract.md §1. */
const CONTRACT: [host: string, id: Header, port: Header, expected: Expected][] = [
  [`49983-${ID}-6532622b.e2b.app`, undefined, undefined, [ID, 49983, 'e2b.app']],
  [`49983-${ID}-6532622b.e2b-test.app`, undefined, undefined, [ID, 49983, 'e2b-test.app']],
  [`49983-${ID}-6532622b.demo.e2b.app`, undefined, undefined, [ID, 49983, 'demo.e2b.app']],
  [`49983-${ID}.e2b.app`, undefined, undefined, [ID, 49983, 'e2b.app']],
  [`${ID}.e2b.app`, undefined, undefined, 'invalid_host'],
  [`abcd-${ID}.e2b.app`, undefined, undefined, 'invalid_sandbox_port'],
  [`49983-${ID}`, undefined, undefined, 'invalid_host'],
  [`49983-${ID}:8080`, undefined, undefined, 'invalid_host'],
  ['localhost:1234', ID, '8080', [ID, 8080]],
  ['127.0.0.1:1234', ID, '8080', [ID, 8080]],
  ['[::1]:1234', ID, '8080', [ID, 8080]],
  ['10.0.0.5:3002', ID, '8080', [ID, 8080]],
  ['34.120.5.10:3002', ID, '8080', [ID, 8080]],
  ['sandbox.e2b.app', ID, '49983', [ID, 49983, 'e2b.app']],
  ['localhost:1234', 'sbx:123', '8080', 'invalid_sandbox_id'],
  ['localhost:1234', 'SBX_UPPER', '8080', 'invalid_sandbox_id'],
  ['localhost:1234', undefined, '8080', 'missing_header'],
  ['localhost:1234', ID, undefined, 'missing_header'],
  [`49983-${ID}.e2b.app`, OTHER, '3000', [ID, 49983, 'e2b.app']],
  ['sandbox.e2b.app', undefined, undefined, 'invalid_host'],
  ['localhost:3000', undefined, undefined, 'invalid_host'],
  ['127.0.0.1:3000', undefined, undefined, 'invalid_host'],
];

test.each(CONTRACT)('contract: %s with id %s and port %s is %j', (host, id, port, expected) => {
  expect(resolve(host, id, port)).toEqual(result(expected, host));
});

/** Where Sandgate differs from E2B in docs/contract.md §1, and attacks C2, C3 and C5 of docs/threats.md. */
const OURS: [host: string, id: Header, port: Header, expected: Expected][] = [
  ['8080-ABC.D', undefined, undefined, ['abc', 8080, 'd']],
  ['8080-abc.d.', undefined, undefined, ['abc', 8080, 'd']],
  ['8080-abc.d.:443', undefined, undefined, ['abc', 8080, 'd']],
  ['8080-abc.d..', undefined, undefined, 'invalid_host'],
  [`8080-abc.${'d.'.repeat(122)}`, undefined, undefined, ['abc', 8080, `${'d.'.repeat(121)}d`]],
  [`8080-abc.${'d.'.repeat(123)}`, undefined, undefined, 'invalid_host'],
  ['8080-abc..d', undefined, undefined, 'invalid_host'],
  ['8080-abc.', undefined, undefined, 'invalid_host'],
  ['.d', undefined, undefined, 'invalid_host'],
  ['.', undefined, undefined, 'invalid_host'],
  ['', undefined, undefined, 'invalid_host'],
  ['8080-abc.d,8080-xyz.d', undefined, undefined, 'invalid_host'],
  ['user@8080-abc.d', undefined, undefined, 'invalid_host'],
  ['8080-abc.d/x', undefined, undefined, 'invalid_host'],
  ['8080-abc.d\\x', undefined, undefined, 'invalid_host'],
  [' 8080-abc.d', undefined, undefined, 'invalid_host'],
  ['8080-abc.d\u0000', undefined, undefined, 'invalid_host'],
  ['8080-abc.d\n', undefined, undefined, 'invalid_host'],
  ['8080-abc.d\u007f', undefined, undefined, 'invalid_host'],
  ['8080-abç.d', undefined, undefined, 'invalid_host'],
  ['８０８０-abc.d', undefined, undefined, 'invalid_host'],
  ['8080-abc.d:', undefined, undefined, 'invalid_host'],
  ['8080-abc.d:123456', undefined, undefined, 'invalid_host'],
  ['8080-abc.d:80:80', undefined, undefined, 'invalid_host'],
  ['8080-abc.d:http', undefined, undefined, 'invalid_host'],
  ['0-abc.d', undefined, undefined, 'invalid_sandbox_port'],
  ['65535-abc.d', undefined, undefined, ['abc', 65535, 'd']],
  ['65536-abc.d', undefined, undefined, 'invalid_sandbox_port'],
  ['080-abc.d', undefined, undefined, 'invalid_sandbox_port'],
  ['049983-abc.d', undefined, undefined, 'invalid_sandbox_port'],
  ['+80-abc.d', undefined, undefined, 'invalid_sandbox_port'],
  ['-1-abc.d', undefined, undefined, 'invalid_sandbox_port'],
  [`${'1'.repeat(100)}-abc.d`, undefined, undefined, 'invalid_sandbox_port'],
  ['8e1-abc.d', undefined, undefined, 'invalid_sandbox_port'],
  ['0-a_b.d', undefined, undefined, 'invalid_sandbox_port'],
  ['80-a_b.d', undefined, undefined, 'invalid_sandbox_id'],
  ['80-.d', undefined, undefined, 'invalid_sandbox_id'],
  [`80-${LONGEST_ID}.d`, undefined, undefined, [LONGEST_ID, 80, 'd']],
  [`80-${LONGEST_ID}a.d`, undefined, undefined, 'invalid_sandbox_id'],
  ['LocalHost', ID, '80', [ID, 80]],
  ['localhost.', ID, '80', [ID, 80]],
  ['Sandbox.E2B.app:443', ID, '80', [ID, 80, 'e2b.app']],
  ['sandbox.', ID, '80', 'invalid_host'],
  ['sandbox', ID, '80', 'invalid_host'],
  ['sandboxes.e2b.app', ID, '80', 'invalid_host'],
  ['localhost.d', ID, '80', 'invalid_host'],
  ['127.1', ID, '80', 'invalid_host'],
  ['0x7f.1', ID, '80', 'invalid_host'],
  ['[::1]', ID, '80', [ID, 80]],
  ['[::1', ID, '80', 'invalid_host'],
  ['[::1]80', ID, '80', 'invalid_host'],
  ['[::1]:123456', ID, '80', 'invalid_host'],
  ['::1', ID, '80', 'invalid_host'],
  ['[fe80::1%eth0]', ID, '80', 'invalid_host'],
  ['[127.0.0.1]', ID, '80', 'invalid_host'],
  ['[localhost]', ID, '80', 'invalid_host'],
  ['localhost', [ID, OTHER], '80', 'invalid_host'],
  ['localhost', ID, ['80', '81'], 'invalid_host'],
  ['localhost', `${ID},${OTHER}`, '80', 'invalid_host'],
  ['localhost', ID, '80,81', 'invalid_host'],
  ['localhost', [ID, ID], undefined, 'invalid_host'],
  ['localhost', '', '80', 'missing_header'],
  ['localhost', ID, '', 'missing_header'],
  ['localhost', '', '', 'invalid_host'],
  ['localhost', 'SBX', '0', 'invalid_sandbox_port'],
  ['localhost', ID.toUpperCase(), '80', 'invalid_sandbox_id'],
  ['localhost', ID, ' 80', 'invalid_sandbox_port'],
  ['localhost', `${LONGEST_ID}a`, '80', 'invalid_sandbox_id'],
  ['8080-abc.d', [ID, OTHER], '80', ['abc', 8080, 'd']],
];

test.each(OURS)('ours: %j with id %j and port %j is %j', (host, id, port, expected) => {
  expect(resolve(host, id, port)).toEqual(result(expected, host));
});

test('an unknown parent domain is an invalid host, even if the port is invalid too', () => {
  const only = ['e2b.app'];
  expect(resolve('abcd-abc.evil.app', undefined, undefined, only)).toEqual(result('invalid_host'));
  expect(resolve('80-abc.x.e2b.app', undefined, undefined, only)).toEqual(result('invalid_host'));
  expect(resolve('sandbox.evil.app', ID, 'abcd', only)).toEqual(result('invalid_host'));
  expect(resolve('sandbox.evil.app', undefined, '80', only)).toEqual(result('invalid_host'));
  expect(resolve('sandbox.e2b.app', ID, '80', only)).toEqual(result([ID, 80, 'e2b.app'], 'sandbox.e2b.app'));
  expect(resolve('localhost', ID, '80', only)).toEqual(result([ID, 80]));
});

test('without header routing the routing headers are ignored', () => {
  for (const host of ['localhost', '127.0.0.1', '[::1]', 'sandbox.e2b.app']) {
    expect(resolve(host, ID, '80', ['*'], false)).toEqual(result('invalid_host'));
    expect(resolve(host, [ID, OTHER], undefined, ['*'], false)).toEqual(result('invalid_host'));
  }
  expect(resolve('80-abc.e2b.app', ID, '81', ['*'], false)).toEqual(result(['abc', 80, 'e2b.app']));
});
