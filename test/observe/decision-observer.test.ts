import { expect, it } from 'vitest';
import { EMPTY_REQUEST } from '../../src/check/handler.ts';
import { notifyAll } from '../../src/observe/observation.ts';

it('several observers are told of each decision, in order', () => {
  const told: string[] = [];
  const observe = notifyAll(
    (decision, _request, durationNs) => told.push(`first: ${decision.kind} ${durationNs}`),
    (decision) => told.push(`second: ${decision.kind}`),
  );
  observe({ kind: 'preflight' }, EMPTY_REQUEST, 5);
  expect(told).toEqual(['first: preflight 5', 'second: preflight']);
});
