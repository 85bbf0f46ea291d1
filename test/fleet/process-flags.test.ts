import { expect, it } from 'vitest';
import { checkEndpoints, formatListen, processFlags } from '../../src/fleet/process-flags.ts';

it('each process gets a numbered socket, or the next port', () => {
  expect(checkEndpoints({ path: '/run/sandgate/gate.sock' }, 2).map(formatListen)).toEqual([
    'unix:/run/sandgate/gate-0.sock',
    'unix:/run/sandgate/gate-1.sock',
  ]);
  expect(checkEndpoints({ host: '::1', port: 9000 }, 2).map(formatListen)).toEqual([
    '[::1]:9000',
    '[::1]:9001',
  ]);
});

it('a process gets the flags of its supervisor, except for its own', () => {
  const given = { stateDir: '/s', processes: '3', drain: '1', policyApi: '127.0.0.1:1' };
  expect(processFlags(given, { processes: '1', policyApi: 'off', listen: 'unix:/a' })).toEqual([
    '--state-dir=/s',
    '--listen=unix:/a',
    '--drain=1',
    '--policy-api=off',
    '--processes=1',
  ]);
});
