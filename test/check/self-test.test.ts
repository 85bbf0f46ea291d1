import { expect, test } from 'vitest';
import { runSelfTest } from '../../src/check/self-test.ts';

test('every kind of answer reads back as itself through an independent decoder', () => {
  expect(() => runSelfTest()).not.toThrow();
});
