import { expect, test } from 'vitest';
import { ShadowCounter } from '../../src/observe/observation.ts';
import { decided } from '../decision/decided.ts';
import { NOW } from '../decision/request.ts';

test('counts what shadow mode alone let through, and when last', () => {
  const tally = new ShadowCounter(() => NOW);
  tally.note(decided({}));
  tally.note(decided({ policy: { allowPublicTraffic: true } }));
  expect([tally.count(), tally.last()]).toEqual([0, undefined]);
  const shadow = { from: NOW, until: NOW + 1 };
  tally.note(decided({ policy: { shadow }, context: { allowShadow: true } }));
  expect([tally.count(), tally.last()]).toEqual([1, new Date(NOW).toISOString()]);
});
