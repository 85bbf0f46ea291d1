import { describe, expect, it } from 'vitest';
import { clientNetwork, formatAddress, ownListenerTest, parseAddress } from '../src/address.ts';

describe('an address', () => {
  it.each(['127.0.0.1:3002', '[::1]:8443', '0.0.0.0:0'])('reads and prints %s alike', (text) => {
    expect(formatAddress(parseAddress(text))).toBe(text);
  });

  it.each([
    '',
    'host',
    'example.com:80',
    '127.0.0.1',
    '127.0.0.1:65536',
    '::1:80',
    '[fe80::1%eth0]:80',
    '127.1:80',
  ])('is refused when it is %j', (text) => {
    expect(() => parseAddress(text)).toThrow();
  });
});

describe('own listeners', () => {
  it('are those very addresses and ports', () => {
    const isOwn = ownListenerTest([{ host: '127.0.0.1', port: 3002 }]);
    expect(isOwn('127.0.0.1', 3002)).toBe(true);
    expect(isOwn('127.0.0.1', 3003)).toBe(false);
    expect(isOwn('127.0.0.2', 3002)).toBe(false);
  });

  it('are known however they were spelled', () => {
    const isOwn = ownListenerTest(['[0:0:0:0:0:0:0:1]:3002', '[0::0]:3003'].map(parseAddress));
    expect(isOwn('::1', 3002)).toBe(true);
    expect(isOwn('::1', 3003)).toBe(true);
    expect(isOwn('127.0.0.1', 3003)).toBe(true);
  });

  it('on a wildcard are every local address, all of 127.0.0.0/8 among them', () => {
    const isOwn = ownListenerTest([{ host: '0.0.0.0', port: 3002 }]);
    expect(isOwn('127.0.0.1', 3002)).toBe(true);
    expect(isOwn('127.9.9.9', 3002)).toBe(true);
    expect(isOwn('192.0.2.77', 3002)).toBe(false);
  });
});

describe('the network of a client', () => {
  it.each([
    ['an IPv4 address', '192.0.2.7', '192.0.2.7'],
    ['an IPv4 address in IPv6 form', '::ffff:192.0.2.7', '192.0.2.7'],
    ['the same in hexadecimal', '::ffff:c000:207', '192.0.2.7'],
    ['an IPv6 address', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['zeros at the end', '2001:db8::', '2001:db8:0:0'],
    ['zeros in the network', '2001:db8::2:3:4:5:6', '2001:db8:0:2'],
    ['capitals and leading zeros', '2001:0DB8:0001:0002::1', '2001:db8:1:2'],
    ['an IPv4 address in the last 32 bits', '2001:db8:1:2:3:4:192.0.2.7', '2001:db8:1:2'],
    ['a zone', 'fe80::1%eth0', 'fe80:0:0:0'],
    ['loopback', '::1', '0:0:0:0'],
    ['nothing', '', ''],
    ['a name', 'client.example', ''],
    ['two addresses', '192.0.2.7, 192.0.2.8', ''],
    ['a path', '/run/envoy.sock', ''],
  ])('of %s', (_kind, address, client) => {
    expect(clientNetwork(address)).toBe(client);
  });
});
