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
    ['NAT64, local use, last', '64:ff9b:1:ffff:ffff:ffff:ffff:ffff'],
    ['NAT64 of a site, to a metadata service', 'fd64:1::a9fe:a9fe'],
    ['NAT64 of a site, to a metadata service of containers', '2001:db8:64::169.254.170.2'],
    ['Teredo', '2001:0:4136:e378:8000:63bf:3fff:fdd2'],
    ['Teredo, shortest', '2001::1'],
    ['ISATAP', 'fd12::5efe:10.0.0.1'],
    ['ISATAP, universal', 'fd12::200:5efe:a00:1'],
    ['ISATAP, group', 'fd12::300:5efe:a00:1'],
    ['ISATAP in a public network', '2001:db8:1:2:0:5efe:7f00:1'],
    ['ISATAP, link-local', 'fe80::5efe:a9fe:a9fe'],
    ['6to4 relay', '192.88.99.1'],
    ['protocol assignment', '192.0.0.8'],
    ['protocol assignment, last', '192.0.0.255'],
    ['metadata, AWS and others', '169.254.169.254'],
    ['metadata, AWS containers', '169.254.170.2'],
    ['metadata, Scaleway', '169.254.42.42'],
    ['metadata, Oracle Cloud Classic', '192.0.0.192'],
    ['metadata, EKS Pod Identity', 'fd00:ec2::23'],
    ['metadata, AWS, DNS', 'fd00:ec2::253'],
    ['metadata, AWS, last', 'fd00:ec2:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['metadata, Google Cloud IPv6', 'fd20:ce::254'],
    ['metadata, Oracle Cloud IPv6', 'fd00:c1::a9fe:a9fe'],
    ['metadata, Scaleway IPv6', 'fd00:42::42'],
    ['metadata, Akamai IPv6', 'fd00:a9fe:a9fe::1'],
    ['metadata, OpenStack IPv6', 'fe80::a9fe:a9fe'],
    ['metadata, Alibaba IPv6', 'fd00:100::100:200'],
    ['metadata, Alibaba', '100.100.100.200'],
    ['metadata, Azure', '168.63.129.16'],
    ['metadata, AWS IPv6', 'fd00:ec2::254'],
    ['metadata, spelt out', 'fd00:0ec2:0:0:0:0:0:0254'],
  ])('is never %s, whatever the networks', (_kind, address) => {
    expect(addressFault(address, everything)).toMatch(/never a sandbox/);
  });

  it.each([
    '192.0.1.1',
    '192.88.98.1',
    '100.100.100.199',
    '169.253.255.255',
    'fd00:ec1::254',
    'fd00:ec3::254',
    'fd20:ce::255',
    'fd00:42::43',
    '2001:1::1',
    '2001:db8::1',
    '64:ff9b:2::a00:1',
    'fd12::5eff:a00:1',
    'fd12::400:5efe:a00:1',
    'fd12::5efe:0:a00:1',
    'fd12:0:5efe::a00:1',
    'fd12::a9fe:a9ff',
    'fd12::1:a9fe',
  ])('to %s, a neighbor of such an address, may be inside', (address) => {
    expect(addressFault(address, everything)).toBeUndefined();
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

it('no IPv4 address is allowed as an ISATAP interface id, under any prefix and with any flags', () => {
  const group = fc.integer({ min: 0, max: 0xffff });
  const prefix = fc.array(group, { minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(prefix, fc.constantFrom(0, 0x100, 0x200, 0x300), fc.ipV4(), (groups, flags, ipv4) => {
      const text = [...groups, flags, 0x5efe].map((part) => part.toString(16)).join(':');
      expect(addressFault(`${text}:${ipv4}`, everything)).toMatch(/never a sandbox/);
    }),
  );
});

it('an IPv6 address is refused for an embedded IPv4 address only if it has one', () => {
  const group = fc.integer({ min: 0, max: 0xffff });
  const host = fc
    .array(group, { minLength: 6, maxLength: 6 })
    .filter(([, , , flags, oui]) => flags! > 0x3ff || oui !== 0x5efe);
  fc.assert(
    fc.property(host, (groups) => {
      fc.pre(
        !['a9fe:a9fe', 'a9fe:aa02', 'a9fe:aa17', '6464:64c8', 'a83f:8110', 'c000:c0'].includes(
          groups
            .slice(-2)
            .map((part) => part.toString(16))
            .join(':'),
        ),
      );
      const text = ['fd12', '3456', ...groups.map((part) => part.toString(16))].join(':');
      expect(addressFault(canonicalAddress(text)!, everything)).toBeUndefined();
    }),
  );
});
