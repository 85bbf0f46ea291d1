import { describe, expect, it } from 'vitest';
import { compilePolicy } from '../../src/policy/compile.ts';
import { mergePut } from '../../src/policy/merge.ts';
import { parsePut } from '../../src/policy/put.ts';
import type { UnreadRecord } from '../../src/policy/record.ts';
import { digestOf, EPOCH, input, NOW, put, rules, stored, token } from './sample.ts';

const version = `${EPOCH}.9`;
const context = { routing: 'gate' as const, now: NOW, version, mintIncarnation: () => 'minted' };
const merge = (old: UnreadRecord | undefined, given: unknown, more: object = {}) =>
  mergePut(old, parsePut(given, rules), { ...context, ...more });
const fault = (code: string, field: string) => expect.objectContaining({ code, field });

describe('the first put of an id', () => {
  it('makes a closed record that compiles', () => {
    const record = merge(undefined, input());
    expect(record).toEqual(
      stored('sbx1', { runtime: { incarnation: 'minted', version }, access: { version } }),
    );
    expect(compilePolicy('sbx1', record, rules).allowPublicTraffic).toBe(false);
  });

  it('needs a route, unless the ingress has its own', () => {
    const access = { sandboxId: 'sbx1', access: {} };
    expect(() => merge(undefined, access)).toThrow(fault('POLICY_INVALID', 'runtime.route'));
    expect(merge(undefined, access, { routing: 'ingress' }).runtime).toEqual({
      state: 'running',
      incarnation: 'minted',
      version,
    });
  });

  it('that expects a version is a conflict', () => {
    const given = input('sbx1', { runtime: { version: `${EPOCH}.1` } });
    expect(() => merge(undefined, given)).toThrow(fault('VERSION_CONFLICT', 'runtime.version'));
  });
});

describe('a put on a stored record', () => {
  const old = stored('sbx1', { access: { tokens: [token('a')], revoked: [digestOf('gone')] } });

  it('keeps an absent part as stored, version included', () => {
    const resumed = merge(old, input('sbx1', { runtime: { route: { address: '10.9.9.9' } } }));
    expect(resumed.access).toEqual(old.access);
    expect(resumed.runtime).toMatchObject({ incarnation: '7f3a', route: { address: '10.9.9.9' }, version });
  });

  it('replaces a part that is present, but never forgets a revoked digest', () => {
    const record = merge(old, { sandboxId: 'sbx1', access: { revoked: [digestOf('a')] } });
    expect(record.access).toMatchObject({ tokens: [], revoked: [digestOf('gone'), digestOf('a')], version });
    expect(record.runtime).toEqual(old.runtime);
  });

  it('changes the incarnation only if it names a new one', () => {
    expect(merge(old, input('sbx1', { runtime: { incarnation: 'next' } })).runtime).toMatchObject({
      incarnation: 'next',
    });
  });

  it('drops stored optional fields that it does not contain', () => {
    const masked = stored('sbx1', { access: { maskRequestHost: 'a', shadowUntil: '2030-01-02T00:00:00Z' } });
    expect(Object.keys(merge(masked, input('sbx1', { access: {} })).access as object)).not.toContain(
      'maskRequestHost',
    );
  });

  it('keeps the creation time of a token that it lists again', () => {
    const tokens = [
      { id: 'a', sha256: digestOf('a') },
      { id: 'b', sha256: digestOf('b') },
    ];
    const record = merge(old, { sandboxId: 'sbx1', access: { tokens } }) as { access: { tokens: object[] } };
    expect(record.access.tokens).toEqual([token('a'), token('b', { createdAt: '2030-01-01T00:00:00.000Z' })]);
  });

  it('reads each stored token separately, and the known fields of one of a later version', () => {
    const damaged = stored('sbx1', { access: { tokens: [null, 'text', token('a', { audience: 'x' })] } });
    const tokens = [{ id: 'a', sha256: digestOf('a') }];
    expect(merge(damaged, { sandboxId: 'sbx1', access: { tokens } }).access).toMatchObject({
      tokens: [token('a')],
    });
  });

  it('keeps a part that it leaves out as stored, even one that cannot be read', () => {
    const later = stored('sbx1', { runtime: { quota: 1 } });
    const record = merge(later, { sandboxId: 'sbx1', access: {} });
    expect(record.runtime).toEqual(later.runtime);
    expect(() => compilePolicy('sbx1', record, rules)).toThrow(fault('POLICY_UNREADABLE', 'runtime.quota'));
  });

  it('cannot bring a revoked token back', () => {
    const access = { tokens: [token('b'), { id: 'renamed', sha256: digestOf('gone') }] };
    expect(() => merge(old, { sandboxId: 'sbx1', access })).toThrow(
      fault('TOKEN_REVOKED', 'access.tokens[1]'),
    );
  });

  it('cannot revoke and list the same token', () => {
    const access = { tokens: [token('a')], revoked: [digestOf('a')] };
    expect(() => merge(old, { sandboxId: 'sbx1', access })).toThrow(
      fault('TOKEN_REVOKED', 'access.tokens[0]'),
    );
  });

  it.each(['runtime', 'access'] as const)('is a conflict when it expects another %s version', (part) => {
    const given = {
      ...input(),
      [part]: { ...(part === 'runtime' && input().runtime), version: `${EPOCH}.7` },
    };
    expect(() => merge(old, given)).toThrow(fault('VERSION_CONFLICT', `${part}.version`));
    expect(() => merge(old, given)).toThrow(`${EPOCH}.1`);
  });

  it('may be the output of a get', () => {
    expect(merge(old, old)).toEqual(
      stored('sbx1', {
        runtime: { version },
        access: { tokens: [token('a')], revoked: [digestOf('gone')], version },
      }),
    );
  });

  it('cannot put a node proxy under a stored mask', () => {
    const masked = stored('sbx1', { access: { maskRequestHost: 'other.example' } });
    const given = input('sbx1', { runtime: { route: { address: '10.0.0.2', port: 5007 } } });
    expect(() => merge(masked, given)).toThrow(fault('POLICY_INVALID', 'access.maskRequestHost'));
  });

  it('may shadow for seven days, not longer', () => {
    const shadow = (shadowUntil: string) => merge(old, { sandboxId: 'sbx1', access: { shadowUntil } });
    expect(shadow('2030-01-08T00:00:00Z').access).toMatchObject({ shadowUntil: '2030-01-08T00:00:00Z' });
    expect(() => shadow('2030-01-08T00:00:01Z')).toThrow(fault('POLICY_INVALID', 'access.shadowUntil'));
  });

  it('cannot revoke more than the record can hold', () => {
    const many = (from: number) => Array.from({ length: 1000 }, (_, index) => digestOf(`t${from + index}`));
    const full = stored('sbx1', { access: { revoked: many(0) } });
    const given = { sandboxId: 'sbx1', access: { revoked: many(1000) } };
    expect(() => merge(full, given)).toThrow(fault('POLICY_INVALID', 'access.revoked'));
  });

  it.each([
    ['of another schema', { ...old, schema: 2 }],
    ['without a part', { ...old, access: undefined }],
    ['with a revoked list that cannot be read', stored('sbx1', { access: { revoked: 'all' } })],
    ['with an incarnation that cannot be read', stored('sbx1', { runtime: { incarnation: 7 } })],
  ])('%s is refused with POLICY_UNREADABLE', (_fault, damaged) => {
    expect(() => mergePut(damaged, put('sbx1', { access: {} }), context)).toThrow(
      expect.objectContaining({ code: 'POLICY_UNREADABLE' }),
    );
  });
});

describe('shadow mode that ends more than 7 days from now', () => {
  const shadowUntil = new Date(NOW + 8 * 24 * 3600_000).toISOString();
  const old = stored('sbx1', { access: { tokens: [token('a')], shadowUntil } });

  it('is refused if new, and kept if stored, so that a token can be revoked after the clock was set back', () => {
    const access = { tokens: [], revoked: [digestOf('a')], shadowUntil };
    const given = { sandboxId: 'sbx1', access };
    expect(merge(old, given).access).toMatchObject({ tokens: [], shadowUntil });
    const later = new Date(NOW + 9 * 24 * 3600_000).toISOString();
    for (const [before, until] of [
      [stored('sbx1'), shadowUntil],
      [old, later],
    ] as const) {
      const longer = { sandboxId: 'sbx1', access: { ...access, shadowUntil: until } };
      expect(() => merge(before, longer)).toThrow(fault('POLICY_INVALID', 'access.shadowUntil'));
    }
  });
});
