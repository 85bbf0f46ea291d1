import { describe, expect, it } from 'vitest';
import type { StoredToken } from '../../src/policy/record.ts';
import type { Access } from '../../src/policy-api/access-change.ts';
import { mint, revoke, rotate } from '../../src/policy-api/token-edits.ts';
import { digestOf, EPOCH, NOW, token } from '../policy/sample.ts';

const at = (ms: number) => new Date(NOW + ms).toISOString();
const made = (id: string) => ({ id, sha256: digestOf(`new ${id}`), now: NOW });
const access = (...tokens: StoredToken[]): Access => ({
  allowPublicTraffic: false,
  upstreamToken: 'strip',
  tokens,
  revoked: [],
  version: `${EPOCH}.1`,
});
const many = (count: number, more: object = {}) =>
  Array.from({ length: count }, (_, n) => token(`t${n}`, more));

describe('a full list of tokens', () => {
  it('makes room by dropping expired ones', () => {
    const full = access(...many(63), token('ended', { expiresAt: at(-1) }));
    const ids = mint(full, made('new'), {}).access.tokens.map(({ id }) => id);
    expect(ids).toHaveLength(64);
    expect(ids).not.toContain('ended');
  });

  it('keeps them in the list while there is room', () => {
    const { tokens } = mint(access(token('ended', { expiresAt: at(-1) })), made('new'), {}).access;
    expect(tokens.map(({ id }) => id)).toEqual(['ended', 'new']);
  });

  it('rotates an expired token, which it then drops', () => {
    const full = access(...many(63), token('old', { expiresAt: at(-1) }));
    const rotated = rotate(full, 'old', made('new'), 60);
    expect(rotated.access.tokens).toHaveLength(64);
    expect(rotated.previous?.expiresAt).toBe(at(-1));
    expect(rotate(full, 'old', made('new'), 0).access.revoked).toEqual([digestOf('old')]);
  });
});

describe('revoking', () => {
  it('removes every id with the same digest, since the store would refuse the others', () => {
    const twice = access(token('a'), { ...token('b'), sha256: digestOf('a') }, token('c'));
    const { access: after } = revoke(twice, 'a');
    expect(after.tokens.map(({ id }) => id)).toEqual(['c']);
    expect(after.revoked).toEqual([digestOf('a')]);
  });

  it('does not change its argument', () => {
    const before = access(token('a'));
    const copy = structuredClone(before);
    revoke(before, 'a');
    rotate(before, 'a', made('b'), 5);
    expect(before).toEqual(copy);
  });
});

describe('rotating', () => {
  it('ends the old token after the overlap, or at its own end if that is sooner', () => {
    const end = (expiresAt?: string) =>
      rotate(access(token('a', expiresAt === undefined ? {} : { expiresAt })), 'a', made('b'), 60).previous;
    expect(end()?.expiresAt).toBe(at(60_000));
    expect(end(at(90_000))?.expiresAt).toBe(at(60_000));
    expect(end(at(30_000))?.expiresAt).toBe(at(30_000));
  });

  it('needs an existing token, and a new id for the new one', () => {
    expect(() => rotate(access(), 'a', made('b'), 5)).toThrow(
      expect.objectContaining({ code: 'TOKEN_UNKNOWN' }),
    );
    expect(() => rotate(access(token('a')), 'a', made('a'), 5)).toThrow(
      expect.objectContaining({ code: 'TOKEN_EXISTS' }),
    );
  });
});
