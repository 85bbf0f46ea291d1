import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { SandgateError } from '../../../src/errors.ts';
import { CACHE_TIMES, PolicyCache } from '../../../src/policy/cache/cache.ts';
import { LONG, LONG_TEST_MS } from '../../stack/long.ts';
import { EPOCH, FakeClock, rules, stored } from '../sample.ts';
import { ScriptedStore } from '../scripted-store.ts';

// A cache allocates room for all that it may ever hold, 13 ms each time; two ids are all there is here.
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

/** Writes are told at once or later; reads end in any order; time passes; the store may be away, or hold an older copy. */
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('look' as const), id }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('write' as const), id }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), id }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('tell' as const) }) },
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

/** Lets every continuation of what was answered run. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

it(
  'D5: no answer is older than a change that was applied before the question, nor older than the bound',
  async () => {
    const run = async (steps: Step[]) => {
      const store = new ScriptedStore();
      const clock = new FakeClock();
      // Long enough that no deadline falls into a test that does not wait.
      const cache = new PolicyCache(store, rules, clock, { ...CACHE_TIMES, loadMs: 60_000 });
      store.mode = 'held';
      let sequence = 0;
      let untold: { id: string; sequence: number }[] = [];
      /** What the store held of each id and when it ceased to: sequence (0: absent) and wall time. */
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
        untold.push({ id: of, sequence });
      };
      /** Index into the history of the oldest life that may still be answered, by id. */
      const oldest = new Map<string, number>(ids.map((each) => [each, 0]));
      const apply = () => {
        for (const each of ids) {
          if (untold.some((one) => one.id === each)) oldest.set(each, history.get(each)!.length - 1);
        }
        untold = [];
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
        else if (each.do === 'tell' && untold.length > 0) {
          const told = untold.map((one) => one.id);
          apply();
          store.feed.changed(told, { epoch: EPOCH, sequence });
        } else if (each.do === 'reset') {
          for (const one of ids) untold.push({ id: one, sequence });
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
      // At rest and told everything, the cache says what the store says.
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
