import { describe, expect, it } from 'vitest';
import { readSettings } from '../src/config.ts';
import type { SandgateError } from '../src/errors.ts';
import type { Command } from '../src/settings.ts';

const around = { baseDir: '/srv', ipv6Loopback: true };
const read = (command: Command, flags: Record<string, string>, env: Record<string, string> = {}) =>
  readSettings(command, flags, around, env);

function faultsOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return (error as SandgateError).message;
  }
  throw new Error('nothing was refused');
}

describe('settings', () => {
  it('have the documented defaults of the local stack', () => {
    expect(read('dev', {})).toMatchObject({
      stateDir: '/srv/.sandgate',
      domains: ['e2b.localhost'],
      routing: 'gate',
      sandboxCidrs: ['127.0.0.0/8'],
      ops: { host: '127.0.0.1', port: 9464 },
      store: 'embedded',
      freshMs: 5000,
      hardMs: 30_000,
      absentMs: 1000,
      gates: 2,
      http: [
        { host: '127.0.0.1', port: 3002 },
        { host: '::1', port: 3002 },
      ],
      https: [
        { host: '127.0.0.1', port: 8443 },
        { host: '::1', port: 8443 },
      ],
    });
  });

  it('leave out [::1] where the machine has none', () => {
    const settings = readSettings('dev', {}, { ...around, ipv6Loopback: false }, {});
    expect(settings.http).toEqual([{ host: '127.0.0.1', port: 3002 }]);
  });

  it('take a flag over the environment, and an empty variable for none', () => {
    const env = { SANDGATE_DOMAINS: 'a.example', SANDGATE_STORE: '' };
    expect(read('dev', { domains: 'b.example' }, env)).toMatchObject({
      domains: ['b.example'],
      store: 'embedded',
    });
  });

  it('are refused all at once, each by its name', () => {
    const faults = faultsOf(() =>
      read(
        'serve',
        { domains: 'a b', ops: 'nowhere', cacheFresh: '9', cacheHard: '3' },
        { SANDGATE_DRAIN: 'soon' },
      ),
    );
    expect(faults).toContain('SANDGATE_DOMAINS');
    expect(faults).toContain('SANDGATE_OPS');
    expect(faults).toContain('SANDGATE_CACHE_HARD');
    expect(faults).toContain('SANDGATE_DRAIN');
    expect(faults).toContain('SANDGATE_SANDBOX_CIDRS');
  });

  it('refuse networks that hold everything', () => {
    for (const cidr of ['0.0.0.0/0', '::/0']) {
      expect(faultsOf(() => read('serve', { sandboxCidrs: cidr }))).toContain(cidr);
    }
  });

  it('refuse a Check address off this machine, since it would need mTLS', () => {
    for (const listen of ['10.0.0.1:9000', '0.0.0.0:9000', '[::]:9000']) {
      expect(faultsOf(() => read('serve', { listen, sandboxCidrs: '10.0.0.0/8' }))).toContain(
        'SANDGATE_LISTEN',
      );
    }
    expect(read('serve', { listen: '[::1]:0', sandboxCidrs: '10.0.0.0/8' }).listen).toEqual({
      host: '::1',
      port: 0,
    });
  });

  it('refuse the policy API on TCP without a key, and take one from a file or the environment alone', () => {
    const serve = (flags: Record<string, string>, env: Record<string, string> = {}) =>
      read('serve', { sandboxCidrs: '10.0.0.0/8', admin: '127.0.0.1:7001', ...flags }, env);
    expect(faultsOf(() => serve({}))).toContain('SANDGATE_ADMIN_KEYS');
    expect(faultsOf(() => read('dev', { admin: '[::1]:7001' }))).toContain('SANDGATE_ADMIN_KEYS');
    expect(faultsOf(() => serve({ adminKeys: 'k'.repeat(32) }))).toContain('needs a key');
    expect(serve({ adminKeysFile: 'keys' }).adminKeysFile).toBe('/srv/keys');
    const keys = ['a'.repeat(32), 'b'.repeat(32)];
    expect(serve({}, { SANDGATE_ADMIN_KEYS: keys.join(', ') }).adminKeys).toEqual(keys);
    const fault = faultsOf(() => serve({}, { SANDGATE_ADMIN_KEYS: 'hunter2' }));
    expect(fault).toContain('32 to 512');
    expect(fault).not.toContain('hunter2');
  });

  it('put the policy API on a socket in the state folder, or nowhere', () => {
    const serve = { sandboxCidrs: '10.0.0.0/8' };
    expect(read('serve', serve).admin).toEqual({ path: '/srv/.sandgate/admin/policy.sock' });
    expect(read('serve', { ...serve, admin: 'off' }).admin).toBeUndefined();
    expect(read('dev', {}).admin).toEqual({ path: '/srv/.sandgate/admin/gate-<n>.sock' });
  });

  it('refuse a stack without a door', () => {
    expect(faultsOf(() => read('dev', { http: 'off', https: 'off' }))).toContain('no door');
    expect(read('dev', { https: 'off' }).https).toEqual([]);
  });

  it('are no concern of a command that does not use them', () => {
    expect(() => read('policy', {}, { SANDGATE_GATES: 'many', SANDGATE_HTTP: 'x' })).not.toThrow();
  });

  it('resolve paths in the base folder, and sockets in the state folder', () => {
    const settings = read('serve', { stateDir: 'state', sandboxCidrs: '10.0.0.0/8' });
    expect(settings.listen).toEqual({ path: '/srv/state/check/gate.sock' });
    expect(settings.policyDir).toBe('/srv/state/policies');
  });
});
