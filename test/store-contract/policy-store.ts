import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { compilePolicy } from '../../src/policy/compile.ts';
import { parsePut } from '../../src/policy/put.ts';
import type { UnreadRecord } from '../../src/policy/record.ts';
import type { Change, PolicyStore } from '../../src/policy/store.ts';
import { newerVersion, parseVersion, recordVersion } from '../../src/policy/version.ts';
import { digestOf, input, put, rules, token } from '../policy/sample.ts';
import { PATIENCE_MS } from '../stack/patience.ts';

/** One kind of store under test, and a way to change it from outside. */
export interface StoreUnderTest {
  store: PolicyStore;
  /** Puts and removes like another process or a person, not through `store`. */
  put(given: { sandboxId: string }): Promise<void>;
  remove(sandboxId: string): Promise<void>;
  end(): Promise<void>;
}

let under: StoreUnderTest;
let store: PolicyStore;
let changes: Change[];

const positionOf = (record: UnreadRecord) => {
  const [runtime = '', access = ''] = recordVersion(record).split('/');
  return parseVersion(newerVersion(runtime, access));
};
/** Waits: each store announces a change within its own time. */
const eventually = (check: () => unknown) => vi.waitFor(check, { timeout: PATIENCE_MS, interval: 5 });
const announced = () => changes.flatMap((change) => (change.kind === 'changed' ? change.sandboxIds : []));
const code = (expected: string) => expect.objectContaining({ code: expected });

function open(begin: () => Promise<StoreUnderTest>): void {
  beforeEach(async () => {
    under = await begin();
    ({ store } = under);
    changes = [];
    store.subscribe((change) => changes.push(change));
  });
  afterEach(() => under.end());
}

/** The contract of every store for reads. */
export function describeReading(kind: string, begin: () => Promise<StoreUnderTest>): void {
  describe(`the ${kind} store, read`, () => {
    open(begin);

    it('has its kind, no fault and no records at first', async () => {
      expect(store.kind).toBe(kind);
      expect(store.fault()).toBeUndefined();
      expect(await store.read('sbx1')).toBeUndefined();
      expect(await store.list({ limit: 10 })).toEqual([]);
      expect(store.position()).toEqual({ epoch: expect.stringMatching(/^[0-9a-f]{16}$/), sequence: 0 });
    });

    it('returns complete records, which compile', async () => {
      const tokens = [{ id: 'a', sha256: digestOf('a'), ports: [] }];
      await under.put(input('sbx1', { access: { tokens } }));
      await eventually(() => expect(announced()).toContain('sbx1'));
      const record = (await store.read('sbx1'))!;
      const policy = compilePolicy('sbx1', record, rules);
      expect(policy).toMatchObject({
        state: 'running',
        allowPublicTraffic: false,
        tokens: [{ id: 'a', ports: new Set() }],
      });
      expect(positionOf(record)).toEqual(store.position());
    });

    it('announces a change once it can be read', async () => {
      await under.put(input('sbx1'));
      await eventually(() => expect(announced()).toEqual(['sbx1']));
      const first = positionOf((await store.read('sbx1'))!)!;
      await under.put(input('sbx1', { runtime: { state: 'paused' } }));
      await eventually(() => expect(announced()).toEqual(['sbx1', 'sbx1']));
      expect(await store.read('sbx1')).toMatchObject({ runtime: { state: 'paused' } });
      expect(store.position().sequence).toBeGreaterThan(first.sequence);
      expect(store.position().epoch).toBe(first.epoch);
    });

    it('has announced every change up to `deliveredUntil`', async () => {
      const made = new Map<string, number>();
      const looks = setInterval(() => {
        const until = store.deliveredUntil()?.monotonic ?? 0;
        for (const [id, at] of made) if (at < until) expect(announced()).toContain(id);
      }, 1);
      for (let n = 1; n <= 20; n++) {
        await under.put(input(`sbx${n}`));
        made.set(`sbx${n}`, performance.now());
        // Some puts coincide with a poll of the store, and some follow one.
        if (n % 2 === 0) await eventually(() => expect(announced()).toContain(`sbx${n}`));
      }
      await eventually(() => expect(announced()).toContain('sbx20'));
      clearInterval(looks);
    });

    it('announces a removal once the record is gone', async () => {
      await under.put(input('sbx1'));
      await eventually(() => expect(announced()).toEqual(['sbx1']));
      await under.remove('sbx1');
      await eventually(() => expect(announced()).toEqual(['sbx1', 'sbx1']));
      expect(await store.read('sbx1')).toBeUndefined();
    });

    it('lists in ascending order, page by page', async () => {
      for (const id of ['b', 'a', 'c10', 'c9']) await under.put(input(id));
      await eventually(() => expect(new Set(announced()).size).toBe(4));
      const ids = async (page: { after?: string; limit: number }) =>
        (await store.list(page)).map((record) => record.sandboxId);
      expect(await ids({ limit: 3 })).toEqual(['a', 'b', 'c10']);
      expect(await ids({ after: 'c10', limit: 3 })).toEqual(['c9']);
      expect(await ids({ after: 'aa', limit: 1 })).toEqual(['b']);
      expect(await ids({ after: 'c9', limit: 3 })).toEqual([]);
    });

    it('does not call a listener that has unsubscribed', async () => {
      const late: Change[] = [];
      store.subscribe((change) => late.push(change))();
      await under.put(input('sbx1'));
      await eventually(() => expect(announced()).toEqual(['sbx1']));
      expect(late).toEqual([]);
    });
  });
}

/** The contract of every store for writes. */
export function describeWriting(kind: string, begin: () => Promise<StoreUnderTest>): void {
  describe(`the ${kind} store, written`, () => {
    open(begin);

    it('returns the stored records, already announced', async () => {
      const { records, sequence } = await store.write([put('sbx1'), put('sbx2')]);
      expect(records).toEqual([await store.read('sbx1'), await store.read('sbx2')]);
      expect(sequence).toBe(2);
      expect(announced()).toEqual(['sbx1', 'sbx2']);
      expect(store.position().sequence).toBe(sequence);
    });

    it('gives each put another version', async () => {
      const { records } = await store.write([put('sbx1'), put('sbx2'), put('sbx1')]);
      expect(records.map((record) => positionOf(record)!.sequence)).toEqual([1, 2, 3]);
    });

    it('keeps the two parts and their versions separate', async () => {
      await store.write([put('sbx1', { access: { tokens: [token('a')] } })]);
      const before = (await store.read('sbx1'))!;
      const { records } = await store.write([put('sbx1', { runtime: { state: 'paused' } })]);
      expect(records[0]!.access).toEqual(before.access);
      expect(records[0]!.runtime).not.toEqual(before.runtime);
    });

    it('accepts its own output: get | put changes only the version', async () => {
      await store.write([put('sbx1', { access: { tokens: [token('a')], maskRequestHost: 'localhost' } })]);
      const before = (await store.read('sbx1'))!;
      await store.write([parsePut(before, rules)]);
      const after = (await store.read('sbx1'))!;
      const meaningOf = (record: UnreadRecord) => ({ ...compilePolicy('sbx1', record, rules), version: '' });
      expect(meaningOf(after)).toEqual(meaningOf(before));
    });

    it('D6: lets one of two writers at the same version win', async () => {
      await store.write([put('sbx1')]);
      const seen = (await store.read('sbx1')) as { runtime: { version: string } };
      const at = (state: string) => put('sbx1', { runtime: { state, version: seen.runtime.version } });
      await store.write([at('paused')]);
      await expect(store.write([at('transitioning')])).rejects.toThrow(code('VERSION_CONFLICT'));
      expect(await store.read('sbx1')).toMatchObject({ runtime: { state: 'paused' } });
    });

    it('D7: keeps a revoked token out, whoever writes it again', async () => {
      await store.write([put('sbx1', { access: { tokens: [token('a')] } })]);
      await store.write([put('sbx1', { access: { tokens: [token('b')], revoked: [digestOf('a')] } })]);
      const again = put('sbx1', { runtime: { state: 'paused' }, access: { tokens: [token('a')] } });
      const sequence = store.position().sequence;
      await expect(store.write([again])).rejects.toThrow(code('TOKEN_REVOKED'));
      expect(await store.read('sbx1')).toMatchObject({
        runtime: { state: 'running' },
        access: { tokens: [{ id: 'b' }] },
      });
      expect(store.position().sequence).toBe(sequence);
    });

    it('writes an array completely or not at all, and announces only what it wrote', async () => {
      await store.write([put('sbx1')]);
      const conflict = put('sbx2', { access: { version: '0123456789abcdef.1' } });
      await expect(store.write([put('sbx3'), conflict])).rejects.toThrow(code('VERSION_CONFLICT'));
      expect(await store.read('sbx3')).toBeUndefined();
      expect(announced()).toEqual(['sbx1']);
      expect((await store.write([put('sbx4')])).sequence).toBe(2);
    });

    it('forgets everything on a delete, including revoked digests and the incarnation', async () => {
      await store.write([put('sbx1', { access: { revoked: [digestOf('a')] } })]);
      const before = (await store.read('sbx1')) as { runtime: { incarnation: string; version: string } };
      expect(await store.delete('sbx1')).toEqual({ sequence: 2 });
      const expecting = put('sbx1', { runtime: { version: before.runtime.version } });
      await expect(store.write([expecting])).rejects.toThrow(code('VERSION_CONFLICT'));
      const { records } = await store.write([put('sbx1', { access: { tokens: [token('a')] } })]);
      expect(compilePolicy('sbx1', records[0], rules)).toMatchObject({ tokens: [{ id: 'a' }] });
      expect((records[0]!.runtime as { incarnation: string }).incarnation).not.toBe(
        before.runtime.incarnation,
      );
      expect(positionOf(records[0]!)!.sequence).toBe(3);
    });

    it('creates a policy only if there is none, and names the version of the existing one', async () => {
      const fresh = { ...put('sbx1', { access: { tokens: [token('a')] } }), create: true as const };
      await store.write([fresh]);
      const before = (await store.read('sbx1'))!;
      await expect(store.write([put('sbx2'), fresh])).rejects.toMatchObject({
        code: 'VERSION_CONFLICT',
        currentVersion: recordVersion(before),
      });
      expect(await store.read('sbx1')).toEqual(before);
      expect(await store.read('sbx2')).toBeUndefined();
      await store.delete('sbx1');
      const both = await Promise.allSettled([store.write([fresh]), store.write([fresh])]);
      expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    });

    it('cannot delete a policy that does not exist', async () => {
      await expect(store.delete('none')).rejects.toThrow(code('SANDBOX_UNKNOWN'));
      expect(store.position().sequence).toBe(0);
    });

    it('accepts an empty write, and announces nothing', async () => {
      expect(await store.write([])).toEqual({ records: [], sequence: 0 });
      expect(changes).toEqual([]);
    });

    it('is unavailable once it is closed', async () => {
      await store.close();
      await store.close();
      await expect(store.read('sbx1')).rejects.toThrow(code('STORE_UNAVAILABLE'));
      await expect(store.write([put('sbx1')])).rejects.toThrow(code('STORE_UNAVAILABLE'));
    });
  });
}
