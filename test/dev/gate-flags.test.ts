import { describe, expect, it } from 'vitest';
import { findSettings, readSettings } from '../../src/config.ts';
import { ownFlags, policyApiEndpoints } from '../../src/dev/gate-flags.ts';
import { stackGateFlags } from '../../src/fleet/process-flags.ts';
import type { Settings } from '../../src/settings.ts';

const places = (policyApi: { path: string } | { host: string; port: number } | undefined) =>
  policyApiEndpoints({ policyApi, gates: 2, stateDir: '/s' });

describe('the policy APIs of the local stack', () => {
  it('are one socket per gate', async () => {
    const sockets = ['unix:/s/policy-api/gate-0.sock', 'unix:/s/policy-api/gate-1.sock'];
    expect(await places({ path: '/s/policy-api/gate-<n>.sock' })).toEqual({ endpoints: sockets, tcp: [] });
  });

  it('give the first gate an endpoint that was chosen for one gate', async () => {
    expect((await places({ path: '/x.sock' })).endpoints).toEqual([
      'unix:/x.sock',
      'unix:/s/policy-api/gate-1.sock',
    ]);
    const address = { host: '127.0.0.1', port: 7001 };
    expect(await places(address)).toEqual({
      endpoints: ['127.0.0.1:7001', 'unix:/s/policy-api/gate-1.sock'],
      tcp: [address],
    });
  });

  it('are off together, and a free port is known to all gates', async () => {
    expect((await places(undefined)).endpoints).toEqual(['off', 'off']);
    const { endpoints: chosen, tcp } = await places({ host: '127.0.0.1', port: 0 });
    expect(tcp[0]!.port).toBeGreaterThan(0);
    expect(chosen[0]).toBe(`127.0.0.1:${tcp[0]!.port}`);
  });
});

describe('a gate of the local stack', () => {
  const host = { baseDir: '/srv', ipv6Loopback: true };
  /** The settings that a gate reads if `dev` was started with these flags and both have this environment. */
  function gateSettings(flags: Record<string, string>, env: Record<string, string>): Settings {
    const { found } = findSettings('dev', flags, host, env);
    const own = ownFlags({
      socket: '/srv/check/gate-1.sock',
      policyApi: 'unix:/srv/policy-api/gate-1.sock',
      ops: { host: '127.0.0.1', port: 9465 },
      ownListeners: [{ host: '::1', port: 8443 }],
      nodeProxies: [{ host: '127.0.0.1', port: 5007 }],
      nodeProxyKeyFile: '/srv/cloud/node-proxy-key',
    });
    const given = stackGateFlags(found, own, host).map((flag) => {
      const [, name, text] = /^--([^=]+)=(.*)$/s.exec(flag)!;
      return [name!.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase()), text!];
    });
    return readSettings('serve', Object.fromEntries(given), host, env);
  }

  it('has the settings of `dev`, from flag, environment or default, except for its own endpoints', () => {
    const flags = { stateDir: 'state', cacheFresh: '2.5', logAllows: '0.5', allowShadow: 'true' };
    const env = { SANDGATE_DOMAINS: 'a.example, *.b.example', SANDGATE_STORE: 'files', SANDGATE_DRAIN: '7' };
    const gate = gateSettings(flags, env);
    const { listen, ops, policyApi, ownListeners, nodeProxies, nodeProxyKeyFile, processes, ...shared } =
      gate;
    const dev = readSettings('dev', flags, host, env);
    const { listen: l, ops: o, policyApi: p, ownListeners: w, processes: n, ...rest } = dev;
    const { nodeProxies: x, nodeProxyKeyFile: k, ...ofDev } = rest;
    expect(shared).toEqual({ ...ofDev, searchPath: shared.searchPath });
    expect({ listen, ops, policyApi, ownListeners, nodeProxies, nodeProxyKeyFile, processes }).toEqual({
      listen: { path: '/srv/check/gate-1.sock' },
      ops: { host: '127.0.0.1', port: 9465 },
      policyApi: { path: '/srv/policy-api/gate-1.sock' },
      ownListeners: [{ host: '::1', port: 8443 }],
      nodeProxies: [{ host: '127.0.0.1', port: 5007 }],
      nodeProxyKeyFile: '/srv/cloud/node-proxy-key',
      processes: 1,
    });
  });

  it('is not reached by a variable that is meant for a separate `serve`', () => {
    const gate = gateSettings(
      {},
      {
        SANDGATE_CHECK_TLS_CERTIFICATE: 'gate.pem',
        SANDGATE_CHECK_TLS_KEY: 'gate.key',
        SANDGATE_CHECK_TLS_CLIENT_CA: 'ca.pem',
        SANDGATE_ROUTING: 'ingress',
        SANDGATE_PROCESSES: '4',
        SANDGATE_LISTEN: '127.0.0.1:1',
      },
    );
    expect(gate).toMatchObject({ routing: 'gate', processes: 1, listen: { path: '/srv/check/gate-1.sock' } });
    expect(gate.checkTlsCertificate ?? gate.checkTlsKey ?? gate.checkTlsClientCa).toBeUndefined();
  });
});
