import { describe, expect, it } from 'vitest';
import { formatAddress, ownListenerTest, parseAddress } from '../src/address.ts';

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
