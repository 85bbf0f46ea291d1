import { expect, test } from 'vitest';
import { runSelfTest } from '../../src/check/self-test.ts';

test('an independent decoder reads every kind of answer back as it was built', () => {
  expect(() => runSelfTest()).not.toThrow();
});
