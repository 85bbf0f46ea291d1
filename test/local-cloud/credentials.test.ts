import { expect, it } from 'vitest';
import { agentToken, trafficToken } from '../../local-cloud/credentials.ts';

it.each([
  [
    '--sandbox-access-token-hash-seed--',
    'isv6ril5xadwn1k9t2jye',
    '8af02a375695377b6884b2a1236fdeb3667a848881b2280e56bd634a69e348de',
  ],
  [
    'abcdefghijklmnopqrstuvwxyz',
    'im9r2ycjiy2534qsdy1oo',
    '5bdddb67f3397a250568df0a9944f048e5807f6416bec3da4f41191d93d2e513',
  ],
])('the traffic token of seed %s and sandbox %s is the one in the contract', (seed, sandboxId, token) => {
  expect(trafficToken(seed, sandboxId)).toBe(token);
});

it('the token of the agent is another one, and opens nothing else', () => {
  expect(agentToken('seed', 'i1')).toMatch(/^[0-9a-f]{64}$/);
  expect(agentToken('seed', 'i1')).not.toBe(trafficToken('seed', 'i1'));
});
