import { isIPv6, SocketAddress } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalAddress } from '../../src/address.ts';
import { addressFault, parseNetworks } from '../../src/policy/network.ts';

const everything = parseNetworks(['0.0.0.0/1', '128.0.0.0/1', '::/1', '8000::/1']);
const local = parseNetworks(['127.0.0.0/8', '::1/128', '10.1.2.3/16']);

describe('networks', () => {
  it.each([
    '0.0.0.0/0',
    '::/0',
    '10.0.0.0',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    '10.0.0.0/',
    '10.1/16',
    '::/129',
    'fe80::%eth0/64',
    'host/8',
    '',
    ' 10.0.0.0/8',
  ])('%j is refused', (cidr) => {
    expect(() => parseNetworks([cidr])).toThrow(expect.objectContaining({ code: 'SETTINGS_INVALID' }));
  });

  it('name every fault at once', () => {
    expect(() => parseNetworks(['x', '10.0.0.0/8', '::/0'])).toThrow(
      /"x" is not .*; "::\/0" covers every address/,
    );
  });

  it('allow no address if there are none', () => {
    expect(addressFault('10.0.0.1', parseNetworks([]))).toContain('outside');
  });
});

describe('a route', () => {
  it.each(['127.0.0.1', '127.255.0.9', '::1', '10.1.0.1', '10.1.255.255'])(
    'to %s may be inside',
    (address) => {
      expect(addressFault(address, local)).toBeUndefined();
    },
  );

  it.each(['10.2.0.1', '128.0.0.1', '::2', 'fd00::1', '8.8.8.8'])('to %s may lie outside', (address) => {
    expect(addressFault(address, local)).toBeDefined();
  });

  it.each([
    ['unspecified', '0.0.0.0'],
    ['unspecified network', '0.1.2.3'],
    ['unspecified, IPv6', '::'],
    ['multicast', '224.0.0.1'],
    ['multicast, last', '239.255.255.255'],
    ['multicast, IPv6', 'ff02::1'],
    ['broadcast', '255.255.255.255'],
    ['link-local', '169.254.1.1'],
    ['link-local, IPv6', 'fe80::1'],
    ['link-local, last', 'febf:ffff::1'],
    ['IPv4-mapped', '::ffff:10.0.0.1'],
    ['IPv4-mapped in hex', '::ffff:a00:1'],
    ['IPv4-mapped in full', '0:0:0:0:0:FFFF:0a00:0001'],
    ['IPv4-compatible', '::10.0.0.1'],
    ['IPv4-compatible in hex', '::a00:1'],
    ['IPv4-translated', '::ffff:0:10.0.0.1'],
    ['NAT64', '64:ff9b::a00:1'],
    ['NAT64, local use', '64:ff9b:1::a00:1'],
    ['6to4', '2002:a00:1::'],
    ['metadata, AWS and others', '169.254.169.254'],
    ['metadata, Alibaba', '100.100.100.200'],
    ['metadata, Azure', '168.63.129.16'],
    ['metadata, AWS IPv6', 'fd00:ec2::254'],
    ['metadata, spelt out', 'fd00:0ec2:0:0:0:0:0:0254'],
  ])('is never %s, whatever the networks', (_kind, address) => {
    expect(addressFault(address, everything)).toMatch(/never a sandbox/);
  });

  it.each([
    'fe80::1%eth0',
    '10.0.0.1%eth0',
    'localhost',
    'example.com',
    '127.1',
    '0x7f.1',
    '0x7f000001',
    '2130706433',
    '010.0.0.1',
    '10.0.0.01',
    '10.0.0.1.',
    ' 10.0.0.1',
    '10.0.0.1\n',
    '10.0.0.1:80',
    '[::1]',
    '::1\n',
    '١٠.0.0.1',
    '',
  ])('%j is not an address', (address) => {
    expect(canonicalAddress(address)).toBeUndefined();
    expect(addressFault(address, everything)).toMatch(/IP literal/);
  });

  it.each([
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0db8::0001:0000', '2001:db8::1:0'],
    ['10.0.0.1', '10.0.0.1'],
  ])('%s is written %s', (address, canonical) => expect(canonicalAddress(address)).toBe(canonical));
});

it('an address has one canonical form, and that form is its own', () => {
  const group = fc.integer({ min: 0, max: 0xffff });
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constant(0), group), { minLength: 8, maxLength: 8 }), (groups) => {
      const full = groups.map((part) => part.toString(16).padStart(4, '0').toUpperCase()).join(':');
      const short = groups.map((part) => part.toString(16)).join(':');
      const canonical = canonicalAddress(full)!;
      expect(canonicalAddress(short)).toBe(canonical);
      expect(canonicalAddress(canonical)).toBe(canonical);
      expect(isIPv6(canonical)).toBe(true);
      expect(new URL(`http://[${canonical}]`).hostname).toBe(new URL(`http://[${full}]`).hostname);
    }),
  );
});

it('no IPv4 address is allowed through an IPv6 form that embeds it', () => {
  const open = parseNetworks(['10.0.0.0/8', '::/1', '8000::/1']);
  const prefixes = ['::', '::ffff:', '::ffff:0:', '64:ff9b::', '64:ff9b:1::'];
  fc.assert(
    fc.property(fc.ipV4(), fc.constantFrom(...prefixes), (ipv4, prefix) => {
      fc.pre(ipv4 !== '0.0.0.1'); // ::0.0.0.1 is ::1
      const address = new SocketAddress({ address: prefix + ipv4, family: 'ipv6' }).address;
      expect(addressFault(address, open)).toMatch(/never a sandbox/);
    }),
  );
});
