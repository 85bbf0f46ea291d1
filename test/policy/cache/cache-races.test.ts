import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { SandgateError } from '../../../src/errors.ts';
import { CACHE_TIMES, PolicyCache } from '../../../src/policy/cache/cache.ts';
import { LONG, LONG_TEST_MS } from '../../stack/long.ts';
import { EPOCH, FakeClock, rules, stored } from '../sample.ts';
import { ScriptedStore } from '../scripted-store.ts';

// A cache allocates its full capacity, which takes 13 ms each time; this test needs only two ids.
vi.mock('lru-cache', async (original) => {
  const { LRUCache } = await original<typeof import('lru-cache')>();
  return {
    LRUCache: class extends LRUCache<string, object> {
      constructor(options: { max: number }) {
        super({ ...options, max: 100 });
      }
    },
  };
});

const { freshMs, hardMs } = CACHE_TIMES;
const ids = ['sbx1', 'sbx2'] as const;
const id = fc.constantFrom(...ids);
const rarely = fc.constantFrom(true, false, false, false);

/** Writes are announced at once or later; reads end in any order; time passes; the store may be down or lag behind. */
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('look' as const), id }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('write' as const), id }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), id }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('announce' as const) }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('answer' as const), which: fc.nat(5), fails: rarely }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reset' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.constantFrom(300, freshMs, hardMs - freshMs, hardMs),
    }),
  },
);

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** Runs every continuation of the answered reads. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

it(
  'D5: no answer is older than a change that was applied before the question, nor older than the bound',
  async () => {
    const run = async (steps: Step[]) => {
      const store = new ScriptedStore();
      const clock = new FakeClock();
      // So long that no deadline passes during a test, which never waits.
      const cache = new PolicyCache(store, rules, clock, { ...CACHE_TIMES, loadMs: 60_000 });
      store.mode = 'held';
      let sequence = 0;
      let unannounced: { id: string; sequence: number }[] = [];
      /** Each version that the store had of an id, and until when: sequence (0: absent) and wall time. */
      const history = new Map(
        ids.map((each) => [each as string, [{ sequence: 0, until: Number.POSITIVE_INFINITY }]]),
      );
      const change = (of: string, present: boolean) => {
        sequence++;
        const lives = history.get(of)!;
        lives.at(-1)!.until = clock.wall;
        lives.push({ sequence: present ? sequence : 0, until: Number.POSITIVE_INFINITY });
        if (present)
          store.records.set(of, stored(of, { runtime: { incarnation: `s${sequence}` } }, sequence));
        else store.records.delete(of);
        unannounced.push({ id: of, sequence });
      };
      /** By id: the index in the history of the oldest version that may still be served. */
      const oldest = new Map<string, number>(ids.map((each) => [each, 0]));
      const apply = () => {
        for (const each of ids) {
          if (unannounced.some((one) => one.id === each)) oldest.set(each, history.get(each)!.length - 1);
        }
        unannounced = [];
      };

      const looks: Promise<void>[] = [];
      const ask = (of: string) => {
        const floor = oldest.get(of)!;
        const check = (lookup: Awaited<ReturnType<PolicyCache['lookup']>>) => {
          if (lookup.kind === 'unavailable') return;
          const seen = lookup.kind === 'found' ? Number(lookup.policy.incarnation.slice(1)) : 0;
          const allowed = history.get(of)!.slice(floor);
          const match = allowed.filter((life) => life.sequence === seen && clock.wall - life.until < hardMs);
          if (match.length === 0) expect.fail(`${of}: answered ${seen}, allowed ${JSON.stringify(allowed)}`);
        };
        const answer = cache.lookup(of);
        if (answer instanceof Promise) looks.push(answer.then(check));
        else check(answer);
      };

      for (const each of steps) {
        if (each.do === 'look') ask(each.id);
        else if (each.do === 'write') change(each.id, true);
        else if (each.do === 'remove') change(each.id, false);
        else if (each.do === 'wait') clock.advance(each.ms);
        else if (each.do === 'announce' && unannounced.length > 0) {
          const announced = unannounced.map((one) => one.id);
          apply();
          store.feed.changed(announced, { epoch: EPOCH, sequence });
        } else if (each.do === 'reset') {
          for (const one of ids) unannounced.push({ id: one, sequence });
          apply();
          store.feed.reset({ epoch: EPOCH, sequence });
        } else if (each.do === 'answer') {
          const [read] = store.pending.splice(each.which % Math.max(1, store.pending.length), 1);
          read?.answer(
            each.fails
              ? () => {
                  throw new SandgateError('STORE_UNAVAILABLE', 'away');
                }
              : undefined,
          );
        }
        await settled();
      }
      store.mode = 'open';
      while (store.pending.length > 0) {
        store.pending.pop()!.answer();
        await settled();
      }
      await Promise.all(looks);
      // With nothing pending and every change announced, the cache equals the store.
      store.feed.reset({ epoch: EPOCH, sequence });
      for (const each of ids) {
        const lookup = await cache.lookup(each);
        const last = history.get(each)!.at(-1)!.sequence;
        expect(lookup.kind === 'found' ? lookup.policy.incarnation : lookup.kind).toBe(
          last === 0 ? 'absent' : `s${last}`,
        );
      }
      cache.close();
    };
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60, size: 'max' }), run), {
      numRuns: LONG ? 20_000 : 500,
    });
  },
  LONG_TEST_MS,
);
