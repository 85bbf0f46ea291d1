import { describe, expect, it } from 'vitest';
import type { SandgateError } from '../../src/errors.ts';
import { parsePut } from '../../src/policy/put.ts';
import { digestOf, input, put, rules, stored, token } from './sample.ts';

const secret = 'tok-plaintext-that-must-not-show';
const bare = { id: 'a', sha256: digestOf('a') };
const withTokens = (...tokens: object[]) => input('sbx1', { access: { tokens } });
const withAccess = (access: object) => input('sbx1', { access });
const withRuntime = (runtime: object) => input('sbx1', { runtime });

/** The fault, the input, and the field that the error names. */
const faults: [fault: string, input: unknown, field: string][] = [
  ['not an object', 'sbx1', 'record'],
  ['null', null, 'record'],
  ['an array', [input()], 'record'],
  ['no sandbox id', { runtime: input().runtime }, 'sandboxId'],
  ['an upper-case sandbox id', input('SBX'), 'sandboxId'],
  ['a sandbox id of 64 characters', input('a'.repeat(64)), 'sandboxId'],
  ['a sandbox id with a newline', input('sbx1\n'), 'sandboxId'],
  ['another schema', { ...input(), schema: 2 }, 'schema'],
  ['an unknown field of the record', { ...input(), owner: secret }, 'owner'],
  ['a __proto__ field', JSON.parse('{"sandboxId":"sbx1","__proto__":{"access":{}}}'), '__proto__'],
  ['an unknown field of the runtime part', withRuntime({ host: secret }), 'runtime.host'],
  [
    'an unknown field of the route',
    withRuntime({ route: { address: '10.0.3.7', tls: true } }),
    'runtime.route.tls',
  ],
  ['an unknown field of the access part', withAccess({ public: true }), 'access.public'],
  ['an unknown field of a token', withTokens({ ...bare, scope: 'x' }), 'access.tokens[0].scope'],
  ['no route', { sandboxId: 'sbx1', runtime: {} }, 'runtime.route'],
  ['a null part', { sandboxId: 'sbx1', runtime: null }, 'runtime'],
  ['no address', withRuntime({ route: {} }), 'runtime.route.address'],
  ['a host name as address', withRuntime({ route: { address: 'pod.local' } }), 'runtime.route.address'],
  ['an address outside', withRuntime({ route: { address: '127.0.0.1' } }), 'runtime.route.address'],
  [
    'a route to an own listener',
    withRuntime({ route: { address: '10.0.0.1', port: 3002 } }),
    'runtime.route.port',
  ],
  ['a route port of 0', withRuntime({ route: { address: '10.0.0.2', port: 0 } }), 'runtime.route.port'],
  ['a route port as text', withRuntime({ route: { address: '10.0.0.2', port: '80' } }), 'runtime.route.port'],
  [
    'the agent among the TLS ports',
    withRuntime({ route: { address: '10.0.3.7', tlsPorts: [8443, 49983] } }),
    'runtime.route.tlsPorts[1]',
  ],
  [
    'a TLS port that is none',
    withRuntime({ route: { address: '10.0.3.7', tlsPorts: [0] } }),
    'runtime.route.tlsPorts[0]',
  ],
  [
    'TLS ports behind a node proxy',
    withRuntime({ route: { address: '10.0.0.2', port: 5007, tlsPorts: [8443] } }),
    'runtime.route.tlsPorts',
  ],
  ['an unknown state', withRuntime({ state: 'stopped' }), 'runtime.state'],
  ['an empty incarnation', withRuntime({ incarnation: '' }), 'runtime.incarnation'],
  ['an agent of another kind', withRuntime({ agent: true }), 'runtime.agent'],
  ['an end without a zone', withRuntime({ endsAt: '2030-01-01T00:00:00' }), 'runtime.endsAt'],
  ['an end without seconds', withRuntime({ endsAt: '2030-01-01T00:00Z' }), 'runtime.endsAt'],
  ['an end on a day that is not', withRuntime({ endsAt: '2030-02-30T00:00:00Z' }), 'runtime.endsAt'],
  ['an end as a number', withRuntime({ endsAt: 1893456000 }), 'runtime.endsAt'],
  ['a null end', withRuntime({ endsAt: null }), 'runtime.endsAt'],
  ['a version of another form', withRuntime({ version: 'latest' }), 'runtime.version'],
  ['a flag as text', withAccess({ allowPublicTraffic: 'false' }), 'access.allowPublicTraffic'],
  ['a flag as a number', withAccess({ allowPublicTraffic: 1 }), 'access.allowPublicTraffic'],
  ['a null flag', withAccess({ allowPublicTraffic: null }), 'access.allowPublicTraffic'],
  ['tokens as an object', withAccess({ tokens: {} }), 'access.tokens'],
  ['65 tokens', withTokens(...Array.from({ length: 65 }, (_, i) => token(`t${i}`))), 'access.tokens'],
  ['a token without id', withTokens({ sha256: digestOf('a') }), 'access.tokens[0].id'],
  ['a token without digest', withTokens(bare, { id: 'b' }), 'access.tokens[1].sha256'],
  ['a plaintext as digest', withTokens({ id: 'a', sha256: secret }), 'access.tokens[0].sha256'],
  [
    'an upper-case digest',
    withTokens({ id: 'a', sha256: digestOf('a').toUpperCase() }),
    'access.tokens[0].sha256',
  ],
  ['two tokens of one id', withTokens(bare, token('b'), bare), 'access.tokens[2].id'],
  ['a label of 129 characters', withTokens({ ...bare, label: 'x'.repeat(129) }), 'access.tokens[0].label'],
  ['a label that steers a terminal', withTokens({ ...bare, label: '\u001b[2J' }), 'access.tokens[0].label'],
  ...['\u200b', '\u202e', '\u2028', '\u2029', '\u{e0061}'].map((hidden): [string, unknown, string] => [
    `a label with U+${hidden.codePointAt(0)!.toString(16)}`,
    withTokens({ ...bare, label: `a${hidden}b` }),
    'access.tokens[0].label',
  ]),
  ['a port of 65536', withTokens({ ...bare, ports: [80, 65536] }), 'access.tokens[0].ports[1]'],
  ['a broken port', withTokens({ ...bare, ports: [1.5] }), 'access.tokens[0].ports[0]'],
  ['257 ports', withTokens({ ...bare, ports: Array(257).fill(1) }), 'access.tokens[0].ports'],
  ['a bad expiry', withTokens({ ...bare, expiresAt: 'tomorrow' }), 'access.tokens[0].expiresAt'],
  ['a bad revoked digest', withAccess({ revoked: ['abc'] }), 'access.revoked[0]'],
  ['1025 revoked digests', withAccess({ revoked: Array(1025).fill(digestOf('a')) }), 'access.revoked'],
  ['a mask that is no host', withAccess({ maskRequestHost: 'a b' }), 'access.maskRequestHost'],
  ['a bad shadow time', withAccess({ shadowUntil: 'x' }), 'access.shadowUntil'],
  ['a bad upstreamToken', withAccess({ upstreamToken: 'keep' }), 'access.upstreamToken'],
  [
    'a mask with a node proxy',
    input('sbx1', {
      runtime: { route: { address: '10.0.0.2', port: 5007 } },
      access: { maskRequestHost: 'localhost' },
    }),
    'access.maskRequestHost',
  ],
];

describe('a put', () => {
  it.each(faults)('with %s is refused', (_fault, given, field) => {
    const error = refusal(given);
    expect(error).toMatchObject({ code: 'POLICY_INVALID', field });
    expect(error.message).toContain(field);
    expect(error.message).not.toContain(secret);
    expect(error.message).not.toMatch(/undefined|invalid input/i);
  });

  it('fills in every default', () => {
    expect(put('sbx1', { access: {} })).toEqual({
      sandboxId: 'sbx1',
      runtime: { state: 'running', route: { address: '10.0.3.7' } },
      access: { allowPublicTraffic: false, tokens: [], revoked: [], upstreamToken: 'strip' },
    });
  });

  it('keeps an absent part absent, so that it stays as stored', () => {
    expect(put()).not.toHaveProperty('access');
    expect(parsePut({ sandboxId: 'sbx1', access: {} }, rules)).not.toHaveProperty('runtime');
  });

  it('makes the address canonical', () => {
    const route = { address: 'FD12:3456:0:0::00AB', port: 5007 };
    expect(put('sbx1', { runtime: { route } }).runtime?.route).toEqual({
      address: 'fd12:3456::ab',
      port: 5007,
    });
  });

  it('accepts the output of a get', () => {
    const record = stored('sbx1', { access: { tokens: [token('a', { ports: [], label: 'é' })] } });
    const { schema: _, ...parts } = record;
    expect(parsePut(record, rules)).toEqual(parts);
  });

  it('drops the `$schema` that an editor needs', () => {
    expect(parsePut({ $schema: 'https://example.com/policy.json', ...input() }, rules)).toEqual(put());
  });

  it.each([
    ['a letter too few', withAccess({ token: [] }), 'access.token', 'tokens'],
    [
      'another case',
      withAccess({ allowpublictraffic: true }),
      'access.allowpublictraffic',
      'allowPublicTraffic',
    ],
    [
      'two letters swapped',
      withTokens({ ...bare, expriesAt: 'x' }),
      'access.tokens[0].expriesAt',
      'expiresAt',
    ],
    ['a field of the record', { ...input(), sandboxID: 'x' }, 'sandboxID', 'sandboxId'],
  ])('names the field that was probably meant: %s', (_, given, field, nearest) => {
    expect(refusal(given).message).toBe(
      `${field} is not a field that this version knows; the nearest is ${nearest}`,
    );
  });

  it('names no other field if none is like it', () => {
    expect(refusal({ ...input(), owner: 'x' }).message).toBe('owner is not a field that this version knows');
  });

  it('does not need a route if the ingress has its own', () => {
    const ingress = { ...rules, routing: 'ingress' as const };
    expect(parsePut({ sandboxId: 'sbx1', runtime: {} }, ingress)).toEqual({
      sandboxId: 'sbx1',
      runtime: { state: 'running' },
    });
  });
});

it('may not be public if the deployment refuses that, on any path to a public record', () => {
  const refuse = { ...rules, publicTraffic: 'refuse' as const };
  for (const given of [
    withAccess({ allowPublicTraffic: true }),
    { sandboxId: 'sbx1', access: { allowPublicTraffic: true } },
  ]) {
    const { code, field, message } = refusal(given, refuse);
    expect([code, field]).toEqual(['POLICY_INVALID', 'access.allowPublicTraffic']);
    expect(message).toContain('--public-traffic refuse');
  }
  expect(parsePut(withAccess({ allowPublicTraffic: false }), refuse).access?.allowPublicTraffic).toBe(false);
});

function refusal(given: unknown, site = rules): SandgateError {
  try {
    parsePut(given, site);
  } catch (error) {
    return error as SandgateError;
  }
  throw new Error('it was accepted');
}
