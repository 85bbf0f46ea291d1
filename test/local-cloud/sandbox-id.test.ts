import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { newSandboxId, shortId } from '../../local-cloud/sandbox-id.ts';

describe('a sandbox id', () => {
  it('is i and 20 of a-z and 0-9, all equally likely', () => {
    const ids = Array.from({ length: 2000 }, () => newSandboxId(randomBytes));
    for (const id of ids) expect(id).toMatch(/^i[a-z0-9]{20}$/);
    expect(new Set(ids).size).toBe(ids.length);
    // Bytes that do not divide evenly are discarded, not wrapped around.
    const bytes = [Buffer.alloc(32, 255), Buffer.alloc(32, 0)];
    expect(newSandboxId(() => bytes.shift()!)).toBe(`i${'a'.repeat(20)}`);
  });

  it.each([
    ['isv6ril5xadwn1k9t2jye', 'isv6ril5xadwn1k9t2jye'],
    ['isv6ril5xadwn1k9t2jye-6532622b', 'isv6ril5xadwn1k9t2jye'],
    ['UPPER', undefined],
    ['a-b-c', undefined],
    ['..', undefined],
    ['', undefined],
  ])('in a path, %s names %s', (text, id) => {
    expect(shortId(text)).toBe(id);
  });
});
