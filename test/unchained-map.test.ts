import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UnchainedMap } from '../src/unchained-map.ts';

const step = <K>(key: fc.Arbitrary<K>) =>
  fc.record({ call: fc.constantFrom('set', 'set', 'delete', 'get', 'clear'), key });

function compare<K extends string | number>(
  steps: readonly { call: string; key: K }[],
  keyOf: (name: string) => K,
  order: (map: Map<K, object>) => [K, object][],
): void {
  const unchained = new UnchainedMap<K, object>(keyOf);
  const map = new Map<K, object>();
  for (const { call, key } of steps) {
    const value = { key };
    if (call === 'set') {
      expect(unchained.set(key, value)).toBe(unchained);
      map.set(key, value);
    } else if (call === 'delete') expect(unchained.delete(key)).toBe(map.delete(key));
    else if (call === 'clear') {
      unchained.clear();
      map.clear();
    }
    expect([unchained.get(key), unchained.has(key), unchained.size]).toEqual([
      map.get(key),
      map.has(key),
      map.size,
    ]);
  }
  const entries = order(map);
  expect([...unchained]).toEqual(entries);
  expect([...unchained.keys()]).toEqual(entries.map(([key]) => key));
  expect([...unchained.values()]).toEqual(entries.map(([, value]) => value));
  const told: unknown[] = [];
  unchained.forEach((value, key) => {
    told.push([key, value]);
  });
  expect(told).toEqual(entries);
}

test('with numbers for keys it answers as a Map does, ascending', () => {
  const key = fc.integer({ min: 1, max: 9 });
  fc.assert(
    fc.property(fc.array(step(key)), (steps) =>
      compare(steps, Number, (map) => [...map].sort(([a], [b]) => a - b)),
    ),
  );
});

test('with text for keys it answers as a Map does, whatever an object makes of it', () => {
  const key = fc.constantFrom('a', 'b', 'sbx1', '__proto__', 'constructor', 'toString');
  fc.assert(fc.property(fc.array(step(key)), (steps) => compare(steps, String, (map) => [...map])));
});
