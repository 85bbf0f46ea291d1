import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { justBelow, StoredView } from '../../../src/cli/policy/stored-view.ts';
import type { ListRequest } from '../../../src/policy-api/policy-admin.ts';

const sandboxId = fc.string({
  unit: fc.constantFrom('0', '1', '9', 'a', 'b', 'z'),
  minLength: 1,
  maxLength: 5,
});

/** A listing with two records per page, whatever the limit. */
function listing(ids: readonly string[]) {
  const calls: ListRequest[] = [];
  const list = async (page: ListRequest) => {
    calls.push(page);
    const later = ids.filter((id) => id > (page.after ?? '')).sort();
    const records = later.slice(0, 2).map((id) => ({ sandboxId: id }));
    return { records, ...(later.length > 2 && { next: later[1]! }) };
  };
  return { list, calls };
}

describe('a view of the stored policies', () => {
  it('finds exactly the stored policies, in any order of look-ups', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(sandboxId), fc.array(sandboxId), async (stored, requested) => {
        const view = new StoredView(listing(stored));
        for (const id of [...requested, ...stored]) {
          expect((await view.lookup(id))?.sandboxId).toBe(stored.includes(id) ? id : undefined);
        }
      }),
    );
  });

  it('costs one call per page if ids ascend', async () => {
    const { list, calls } = listing(['a1', 'a2', 'a3', 'a4', 'a5']);
    const view = new StoredView({ list });
    for (const id of ['a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'b']) await view.lookup(id);
    expect(calls).toHaveLength(3);
  });

  it('computes the next lower id, with no id in between', () => {
    fc.assert(
      fc.property(sandboxId, sandboxId, (id, other) => {
        const below = justBelow(id);
        expect(below < id).toBe(true);
        expect(other > below && other < id).toBe(false);
        expect(below).toMatch(/^[a-z0-9]{0,63}$/);
      }),
    );
  });
});
