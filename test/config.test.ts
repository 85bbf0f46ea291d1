import { describe, expect, it } from 'vitest';
import { readSettings } from '../src/config.ts';
import type { SandgateError } from '../src/errors.ts';
import { type Command, RENAMED } from '../src/settings.ts';

const host = { baseDir: '/srv', ipv6Loopback: true };
const read = (command: Command, flags: Record<string, string>, env: Record<string, string> = {}) =>
  readSettings(command, flags, host, env);

const SERVE = { sandboxCidrs: '10.0.0.0/8' };
const TLS = { checkTlsCertificate: 'gate.pem', checkTlsKey: 'gate.key' };

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

  it('refuse several processes if Envoy could not know their ports, or the ports would be invalid', () => {
    const serve = (more: Record<string, string>) =>
      faultsOf(() => read('serve', { ...SERVE, processes: '4', ...more }));
    expect(serve({ listen: '127.0.0.1:0' })).toContain('name the first one, or a unix socket');
    expect(serve({ listen: '127.0.0.1:65533' })).toContain(
      'SANDGATE_LISTEN (--listen): each of the 4 processes',
    );
    expect(serve({ ops: '127.0.0.1:65532' })).toContain('SANDGATE_OPS (--ops): each of the 4 processes');
    expect(serve({ processes: '65' })).toContain('must be a number from 1 to 64');
    expect(read('serve', { ...SERVE, processes: '4', listen: '127.0.0.1:65532' }).processes).toBe(4);
  });

  it('leave out [::1] if the machine does not have it', () => {
    const settings = readSettings('dev', {}, { ...host, ipv6Loopback: false }, {});
    expect(settings.http).toEqual([{ host: '127.0.0.1', port: 3002 }]);
  });

  it('prefer a flag to the environment, and ignore an empty variable', () => {
    const env = { SANDGATE_DOMAINS: 'a.example', SANDGATE_STORE: '' };
    expect(read('dev', { domains: 'b.example' }, env)).toMatchObject({
      domains: ['b.example'],
      store: 'embedded',
    });
  });

  it('report all faults at once, each by the name of the setting', () => {
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

  it('treat an empty flag as unset, whatever the environment says', () => {
    const env = { SANDGATE_CHECK_TLS_KEY: 'gate.key' };
    expect(() => read('serve', SERVE, env)).toThrow('needs no TLS');
    expect(read('serve', { ...SERVE, checkTlsKey: '' }, env).checkTlsKey).toBeUndefined();
  });

  it('refuse a node proxy key where the gate does not choose the destination', () => {
    const flags = { ...SERVE, nodeProxyKeyFile: 'key' };
    expect(read('serve', flags).nodeProxyKeyFile).toBe('/srv/key');
    expect(faultsOf(() => read('serve', { ...flags, routing: 'ingress' }))).toMatch(
      /^SANDGATE_NODE_PROXY_KEY_FILE .* has no effect/,
    );
  });

  it('refuse networks that contain every address', () => {
    for (const cidr of ['0.0.0.0/0', '::/0']) {
      expect(faultsOf(() => read('serve', { sandboxCidrs: cidr }))).toContain(cidr);
    }
  });

  it('refuse a Check address that other machines reach without mutual TLS, in one line that says what to set', () => {
    for (const listen of ['10.0.0.1:9000', '0.0.0.0:9000', '[::]:9000', '[::ffff:127.0.0.1]:9000']) {
      for (const half of [{}, TLS, { checkTlsClientCa: 'ca.pem' }]) {
        const faults = faultsOf(() => read('serve', { ...SERVE, listen, ...half }));
        expect(faults).toMatch(
          /^SANDGATE_LISTEN \(--listen\): .* requires mutual TLS: set SANDGATE_CHECK_TLS_/,
        );
        expect(faults).not.toContain('\n');
      }
    }
    expect(read('serve', { ...SERVE, listen: '[::1]:0' }).listen).toEqual({ host: '::1', port: 0 });
    const settings = read('serve', { ...SERVE, ...TLS, listen: '0.0.0.0:9000', checkTlsClientCa: 'ca.pem' });
    expect(settings).toMatchObject({
      listen: { host: '0.0.0.0', port: 9000 },
      checkTlsCertificate: '/srv/gate.pem',
      checkTlsKey: '/srv/gate.key',
      checkTlsClientCa: '/srv/ca.pem',
    });
  });

  it('refuse half of a TLS pair, and TLS on a unix socket', () => {
    const listen = '127.0.0.1:0';
    expect(faultsOf(() => read('serve', { ...SERVE, listen, checkTlsCertificate: 'gate.pem' }))).toMatch(
      /^SANDGATE_CHECK_TLS_CERTIFICATE .*: set SANDGATE_CHECK_TLS_KEY /,
    );
    expect(faultsOf(() => read('serve', { ...SERVE, listen, checkTlsClientCa: 'ca.pem' }))).toMatch(
      /^SANDGATE_CHECK_TLS_CLIENT_CA .*: set SANDGATE_CHECK_TLS_CERTIFICATE .* and SANDGATE_CHECK_TLS_KEY /,
    );
    expect(read('serve', { ...SERVE, ...TLS, listen }).checkTlsClientCa).toBeUndefined();
    const faults = faultsOf(() => read('serve', { ...SERVE, ...TLS }));
    expect(faults.match(/a unix socket needs no TLS/g)).toHaveLength(2);
  });

  it('refuse the policy API on TCP without a key, and take one from a file or the environment alone', () => {
    const serve = (flags: Record<string, string>, env: Record<string, string> = {}) =>
      read('serve', { sandboxCidrs: '10.0.0.0/8', policyApi: '127.0.0.1:7001', ...flags }, env);
    expect(faultsOf(() => serve({}))).toContain('SANDGATE_POLICY_API_KEYS');
    expect(faultsOf(() => read('dev', { policyApi: '[::1]:7001' }))).toContain('SANDGATE_POLICY_API_KEYS');
    expect(faultsOf(() => serve({ policyApiKeys: 'k'.repeat(32) }))).toContain('requires a key');
    expect(serve({ policyApiKeysFile: 'keys' }).policyApiKeysFile).toBe('/srv/keys');
    const keys = ['a'.repeat(32), 'b'.repeat(32)];
    expect(serve({}, { SANDGATE_POLICY_API_KEYS: keys.join(', ') }).policyApiKeys).toEqual(keys);
    const fault = faultsOf(() => serve({}, { SANDGATE_POLICY_API_KEYS: 'hunter2' }));
    expect(fault).toContain('32 to 512');
    expect(fault).not.toContain('hunter2');
  });

  it('put the policy API on a socket in the state folder, or nowhere', () => {
    const serve = { sandboxCidrs: '10.0.0.0/8' };
    expect(read('serve', serve).policyApi).toEqual({ path: '/srv/.sandgate/policy-api/policy.sock' });
    expect(read('serve', { ...serve, policyApi: 'off' }).policyApi).toBeUndefined();
    expect(read('dev', {}).policyApi).toEqual({ path: '/srv/.sandgate/policy-api/gate-<n>.sock' });
  });

  it.each([
    ['unix:api.sock', { path: '/srv/api.sock' }],
    ['unix:<state>/api.sock', { path: '/srv/.sandgate/api.sock' }],
    ['http://10.0.0.1:7001', { scheme: 'http', host: '10.0.0.1', port: 7001 }],
    ['HTTP://gate.example:80/', { scheme: 'http', host: 'gate.example', port: 80 }],
    ['https://[::1]:7001', { scheme: 'https', host: '::1', port: 7001 }],
    ['https://gate.example', { scheme: 'https', host: 'gate.example', port: 443 }],
  ])('read the URL of a policy API: %s', (policyApiUrl, expected) => {
    expect(read('policy', { policyApiUrl }).policyApiUrl).toEqual(expected);
  });

  it.each([
    ['127.0.0.1:7001', 'did you mean http://127.0.0.1:7001?'],
    ['gate.example', 'must be unix:<path>, http://host:port or https://host[:port]'],
    ['ftp://gate.example', 'must be unix:<path>, http://host:port or https://host[:port]'],
    ['http://gate.example:99999', 'is not a valid URL'],
    ['https://key@gate.example', 'a scheme, a host and a port only'],
    ['https://gate.example/v1', 'a scheme, a host and a port only'],
  ])('refuse the URL of a policy API: %s', (policyApiUrl, fault) => {
    expect(faultsOf(() => read('policy', { policyApiUrl }))).toContain(fault);
  });

  it('refuse a CA for a policy API without TLS', () => {
    const policyApiCa = 'ca.pem';
    const withUrl = (policyApiUrl: string) => read('policy', { policyApiUrl, policyApiCa });
    expect(faultsOf(() => withUrl('http://10.0.0.1:7001'))).toContain('applies to https:// only');
    expect(withUrl('https://10.0.0.1:7001').policyApiCa).toBe('/srv/ca.pem');
    expect(withUrl('unix:/api.sock').policyApiCa).toBe('/srv/ca.pem');
  });

  it('refuse a stack without an ingress', () => {
    expect(faultsOf(() => read('dev', { http: 'off', https: 'off' }))).toContain('nothing would listen');
    expect(read('dev', { https: 'off' }).https).toEqual([]);
  });

  it('name every address and domain that cannot be used, and refuse an empty list', () => {
    const faults = faultsOf(() =>
      read('dev', { http: 'a:1,127.0.0.1:2,b:3', https: ',', domains: 'a_b,c_d' }),
    );
    for (const wrong of ['a:1', 'b:3', 'names no address', '"a_b"', '"c_d"']) expect(faults).toContain(wrong);
  });

  it('refuse ops ports past the last one', () => {
    expect(faultsOf(() => read('dev', { ops: '127.0.0.1:65535', gates: '2' }))).toContain('SANDGATE_OPS');
    expect(read('dev', { ops: '127.0.0.1:65535', gates: '1' }).gates).toBe(1);
  });

  it('are ignored by a command that does not use them', () => {
    expect(() => read('policy', {}, { SANDGATE_GATES: 'many', SANDGATE_HTTP: 'x' })).not.toThrow();
  });

  it('allow shadow mode only for the exact text true', () => {
    const allowed = (value: string) =>
      read('serve', { sandboxCidrs: '10.0.0.0/8' }, { SANDGATE_ALLOW_SHADOW: value }).allowShadow;
    expect([allowed('true'), allowed('false'), allowed('')]).toEqual([true, false, false]);
    for (const value of ['1', 'yes', 'TRUE', 'on', ' true', 'true ']) {
      expect(faultsOf(() => allowed(value))).toContain('SANDGATE_ALLOW_SHADOW');
    }
  });

  it('take a share of allows to log from 0 to 1', () => {
    const share = (logAllows: string) => read('dev', { logAllows }).logAllows;
    expect([read('dev', {}).logAllows, share('0.01'), share('1')]).toEqual([0, 0.01, 1]);
    for (const value of ['-0.1', '1.1', '10%', ' ', 'NaN']) {
      expect(faultsOf(() => share(value))).toContain('SANDGATE_LOG_ALLOWS');
    }
  });

  it('resolve paths in the base folder, and sockets in the state folder', () => {
    const settings = read('serve', { stateDir: 'state', sandboxCidrs: '10.0.0.0/8' });
    expect(settings.listen).toEqual({ path: '/srv/state/check/gate.sock' });
    expect(settings.policyDir).toBe('/srv/state/policies');
  });
});

it('refuses shadow mode where public traffic is refused, because it lets requests without a token through', () => {
  const flags = { sandboxCidrs: '10.0.0.0/8', publicTraffic: 'refuse' };
  expect(read('serve', flags).publicTraffic).toBe('refuse');
  expect(faultsOf(() => read('serve', { ...flags, allowShadow: 'true' }))).toContain('SANDGATE_ALLOW_SHADOW');
  expect(faultsOf(() => read('serve', { ...flags, publicTraffic: 'no' }))).toContain(
    'SANDGATE_PUBLIC_TRAFFIC',
  );
});

it.each(Object.entries(RENAMED).filter(([old]) => old.startsWith('SANDGATE_')))(
  '%s is an error that names %s',
  (old, now) => {
    expect(faultsOf(() => read('dev', {}, { [old]: 'x' }))).toContain(`${old} is now ${now}`);
  },
);
