import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../../src/address.ts';
import { policyApiPlaces } from '../../src/dev/gate-flags.ts';

const places = (policyApi: Endpoint | undefined) => policyApiPlaces({ policyApi, gates: 2, stateDir: '/s' });

describe('the policy APIs of the local stack', () => {
  it('are a socket each', async () => {
    const sockets = ['unix:/s/policy-api/gate-0.sock', 'unix:/s/policy-api/gate-1.sock'];
    expect(await places({ path: '/s/policy-api/gate-<n>.sock' })).toEqual({ places: sockets, tcp: [] });
  });

  it('give the first gate what was chosen for one', async () => {
    expect((await places({ path: '/x.sock' })).places).toEqual([
      'unix:/x.sock',
      'unix:/s/policy-api/gate-1.sock',
    ]);
    const address = { host: '127.0.0.1', port: 7001 };
    expect(await places(address)).toEqual({
      places: ['127.0.0.1:7001', 'unix:/s/policy-api/gate-1.sock'],
      tcp: [address],
    });
  });

  it('are off together, and a free port is known to all gates', async () => {
    expect((await places(undefined)).places).toEqual(['off', 'off']);
    const { places: chosen, tcp } = await places({ host: '127.0.0.1', port: 0 });
    expect(tcp[0]!.port).toBeGreaterThan(0);
    expect(chosen[0]).toBe(`127.0.0.1:${tcp[0]!.port}`);
  });
});
