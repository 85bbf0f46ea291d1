import { expect, it } from 'vitest';
import { EMPTY_REQUEST } from '../../src/check/handler.ts';
import { notifyAll } from '../../src/observe/observation.ts';

it('several observers are called for each decision, in order', () => {
  const calls: string[] = [];
  const observe = notifyAll(
    (decision, _request, durationNs) => calls.push(`first: ${decision.kind} ${durationNs}`),
    (decision) => calls.push(`second: ${decision.kind}`),
  );
  observe({ kind: 'preflight' }, EMPTY_REQUEST, 5);
  expect(calls).toEqual(['first: preflight 5', 'second: preflight']);
});
