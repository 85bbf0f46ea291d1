import { expect, test } from 'vitest';
import { ShadowCounter } from '../../src/observe/observation.ts';
import { decided } from '../decision/decided.ts';
import { NOW } from '../decision/request.ts';

test('counts what only shadow mode allowed, with the time of the last', () => {
  const counter = new ShadowCounter(() => NOW);
  counter.note(decided({}));
  counter.note(decided({ policy: { allowPublicTraffic: true } }));
  expect([counter.count(), counter.last()]).toEqual([0, undefined]);
  const shadow = { from: NOW, until: NOW + 1 };
  counter.note(decided({ policy: { shadow }, context: { allowShadow: true } }));
  expect([counter.count(), counter.last()]).toEqual([1, new Date(NOW).toISOString()]);
});
