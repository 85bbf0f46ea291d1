import { describe, expect, it } from 'vitest';
import { compilePolicy } from '../../src/policy/compile.ts';
import { digestOf, EPOCH, NOW, rules, stored, token } from './sample.ts';

const compile = (record: unknown, site = rules) => compilePolicy('sbx1', record, site);
const without = (part: 'runtime' | 'access', field: string) => {
  const record = stored() as Record<string, Record<string, unknown>>;
  delete record[part]![field];
  return record;
};
const unreadable = (field: string) => expect.objectContaining({ code: 'POLICY_UNREADABLE', field });

describe('a stored record', () => {
  it('becomes a policy', () => {
    const tokens = [
      token('a', {
        expiresAt: '2031-01-01T00:00:00+01:00',
        ports: [80, 81],
        incarnation: '7f3a',
        label: 'CI',
      }),
    ];
    const access = {
      tokens,
      maskRequestHost: `localhost:\${PORT}`,
      upstreamToken: 'forward',
      shadowUntil: '2030-01-08T00:00:00Z',
      allowPublicTraffic: true,
    };
    const runtime = { agent: 'self-authenticating', endsAt: '2030-06-01T00:00:00Z', state: 'paused' };
    expect(compile(stored('sbx1', { runtime, access }))).toEqual({
      sandboxId: 'sbx1',
      incarnation: '7f3a',
      version: `${EPOCH}.1`,
      state: 'paused',
      endsAt: Date.parse('2030-06-01T00:00:00Z'),
      agentSelfAuthenticating: true,
      route: { address: '10.0.3.7', port: undefined },
      allowPublicTraffic: true,
      publicRefused: false,
      shadow: { from: NOW, until: NOW + 7 * 24 * 3600 * 1000 },
      tokens: [
        {
          id: 'a',
          label: 'CI',
          digest: Buffer.from(digestOf('a'), 'hex').toString('latin1'),
          expiresAt: Date.parse('2030-12-31T23:00:00Z'),
          ports: new Set([80, 81]),
          incarnation: '7f3a',
        },
      ],
      maskRequestHost: `localhost:\${PORT}`,
      forwardToken: true,
    });
  });

  it.each([
    ['runtime', 'incarnation'],
    ['runtime', 'state'],
    ['runtime', 'route'],
    ['runtime', 'version'],
    ['access', 'allowPublicTraffic'],
    ['access', 'tokens'],
    ['access', 'revoked'],
    ['access', 'upstreamToken'],
    ['access', 'version'],
  ] as const)('without %s.%s is unreadable', (part, field) => {
    expect(() => compile(without(part, field))).toThrow(unreadable(`${part}.${field}`));
  });

  it.each<[string, unknown, string]>([
    ['no object', 'x', 'record'],
    ['null', null, 'record'],
    ['a missing runtime part', { ...stored(), runtime: undefined }, 'runtime'],
    ['a missing access part', { ...stored(), access: undefined }, 'access'],
    ['no schema', { ...stored(), schema: undefined }, 'schema'],
    ['a later schema', { ...stored(), schema: 2 }, 'schema'],
    ['another sandbox id', stored('sbx2'), 'sandboxId'],
    ['an unknown field', { ...stored(), quota: 1 }, 'quota'],
    ['an unknown runtime field', stored('sbx1', { runtime: { quota: 1 } }), 'runtime.quota'],
    ['an unknown access field', stored('sbx1', { access: { denyAll: true } }), 'access.denyAll'],
    [
      'an unknown route field',
      stored('sbx1', { runtime: { route: { address: '10.0.3.7', tls: 1 } } }),
      'runtime.route.tls',
    ],
    [
      'a flag as text',
      stored('sbx1', { access: { allowPublicTraffic: 'true' } }),
      'access.allowPublicTraffic',
    ],
    [
      'a denied address',
      stored('sbx1', { runtime: { route: { address: '0.0.0.0' } } }),
      'runtime.route.address',
    ],
    [
      'an address outside',
      stored('sbx1', { runtime: { route: { address: '::1' } } }),
      'runtime.route.address',
    ],
    ['a name', stored('sbx1', { runtime: { route: { address: 'x.y' } } }), 'runtime.route.address'],
    [
      'an address that is not canonical',
      stored('sbx1', { runtime: { route: { address: 'fd12:3456::0ab' } } }),
      'runtime.route.address',
    ],
    [
      'a mask and a node proxy',
      stored('sbx1', {
        runtime: { route: { address: '10.0.0.2', port: 1 } },
        access: { maskRequestHost: 'a' },
      }),
      'access.maskRequestHost',
    ],
    [
      'a revoked list that is not digests',
      stored('sbx1', { access: { revoked: ['x'] } }),
      'access.revoked[0]',
    ],
  ])('with %s is unreadable', (_fault, record, field) => {
    expect(() => compile(record)).toThrow(unreadable(field));
  });

  it('drops tokens that are revoked, malformed or have an unknown field, and keeps the others', () => {
    const tokens = [
      token('ok'),
      token('revoked'),
      token('later', { audience: 'x' }),
      token('badport', { ports: [0] }),
      { id: 'nodate', sha256: digestOf('nodate') },
      null,
      'text',
    ];
    const policy = compile(stored('sbx1', { access: { tokens, revoked: [digestOf('revoked')] } }));
    expect(policy.tokens.map((each) => each.id)).toEqual(['ok']);
  });

  it('has the version of its newer part, or that of the access part if their epochs differ', () => {
    const versions = (runtime: string, access: string) =>
      compile(stored('sbx1', { runtime: { version: runtime }, access: { version: access } })).version;
    expect(versions(`${EPOCH}.9`, `${EPOCH}.10`)).toBe(`${EPOCH}.10`);
    expect(versions(`${EPOCH}.11`, `${EPOCH}.10`)).toBe(`${EPOCH}.11`);
    expect(versions('fedcba9876543210.11', `${EPOCH}.10`)).toBe(`${EPOCH}.10`);
  });

  it('distinguishes an empty list of ports from an absent one', () => {
    const policy = compile(stored('sbx1', { access: { tokens: [token('a', { ports: [] }), token('b')] } }));
    expect(policy.tokens.map((each) => each.ports)).toEqual([new Set(), undefined]);
  });

  it('knows the TLS ports, and refuses the agent among them', () => {
    const route = (tlsPorts: number[]) =>
      stored('sbx1', { runtime: { route: { address: '10.0.3.7', tlsPorts } } });
    expect(compile(route([443, 8443])).route?.tlsPorts).toEqual(new Set([443, 8443]));
    expect(() => compile(route([49983]))).toThrow('runtime.route.tlsPorts[0] must not be 49983');
  });

  it('keeps a token whose label has characters that a put now refuses', () => {
    const policy = compile(stored('sbx1', { access: { tokens: [token('a', { label: 'a\u200bb' })] } }));
    expect(policy.tokens).toMatchObject([{ id: 'a', label: 'a\u200bb' }]);
  });

  it('may lack a route only if the ingress has its own', () => {
    expect(compile(without('runtime', 'route'), { ...rules, routing: 'ingress' }).route).toBeUndefined();
  });

  it('is restricted if it says public and the deployment refuses that', () => {
    const record = stored('sbx1', { access: { allowPublicTraffic: true } });
    expect(compile(record)).toMatchObject({ allowPublicTraffic: true, publicRefused: false });
    const refuse = { ...rules, publicTraffic: 'refuse' as const };
    expect(compile(record, refuse)).toMatchObject({ allowPublicTraffic: false, publicRefused: true });
    expect(compile(stored(), refuse)).toMatchObject({ allowPublicTraffic: false, publicRefused: false });
  });

  it('may point to an own listener, which is checked per request', () => {
    const policy = compile(stored('sbx1', { runtime: { route: { address: '10.0.0.1', port: 3002 } } }));
    expect(policy.route).toEqual({ address: '10.0.0.1', port: 3002 });
  });
});
