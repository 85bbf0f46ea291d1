import { describe, expect, it } from 'vitest';
import { readCloudSettings } from '../../local-cloud/settings.ts';

const NEEDED = ['--state-dir=/srv', '--policy-api-url=unix:/srv/api.sock'];
const read = (...flags: string[]) => {
  const invocation = readCloudSettings([...NEEDED, ...flags], {});
  return invocation.kind === 'run' ? invocation.settings : undefined;
};

describe('the settings of the local cloud', () => {
  it('take the domains as the gates have them, and name a domain to clients', () => {
    expect(read()).toMatchObject({ domains: ['e2b.localhost'], domain: 'e2b.localhost', nodeProxyPort: 0 });
    expect(read('--domains=*.a.example,b.example')).toMatchObject({
      domains: ['*.a.example', 'b.example'],
      domain: 'a.example',
    });
  });

  it('read the port and the key file of the node proxy', () => {
    const settings = read('--node-proxy-port=5007', '--node-proxy-key-file=/etc/key');
    expect(settings).toMatchObject({ nodeProxyPort: 5007, nodeProxyKeyFile: '/etc/key' });
  });

  it('read the default access', () => {
    expect(read()?.defaultAccess).toBe('public');
    expect(read('--default-access=restricted')?.defaultAccess).toBe('restricted');
  });

  it.each([
    ['--default-access=private', 'public or restricted'],
    ['--domains=*', 'names no domain'],
    ['--domains=a b', 'not a domain pattern'],
    ['--node-proxy-port=65536', '0 to 65535'],
    ['--node-proxy-port=x', '0 to 65535'],
    ['--node-proxy-key-file=key', 'absolute'],
  ])('refuse %s', (flag, message) => {
    expect(() => read(flag)).toThrow(message);
  });
});
