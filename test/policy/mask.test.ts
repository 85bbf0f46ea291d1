import { expect, it } from 'vitest';
import { isHostMask } from '../../src/policy/mask.ts';

// Biome reports the real placeholder in a plain string as a mistake.
const withPort = (mask: string) => mask.replaceAll('<PORT>', `\${PORT}`);

it.each([
  'localhost',
  'LocalHost:3000',
  'localhost:<PORT>',
  '<PORT>-abc.example.com',
  'app-<PORT>.example.com:<PORT>',
  '10.0.0.1',
  '10.0.0.1:80',
  '::1',
  '[::1]',
  '[2001:DB8::1]:<PORT>',
  'a1.b-2.c',
])('%s is a mask', (mask) => expect(isHostMask(withPort(mask))).toBe(true));

it.each([
  '',
  'a b',
  'a,b',
  'user@host',
  'http://host',
  'host/path',
  'host:',
  'host:0',
  'host:080',
  'host:65536',
  'host:1<PORT>',
  '<PORT>',
  ':80',
  '::1:80:x',
  '[::1',
  '[::1]80',
  '[localhost]',
  '[fe80::1%eth0]',
  'fe80::1%eth0',
  '-a.b',
  'a-.b',
  'a..b',
  'a.',
  '1.2.3',
  '256.1.1.1',
  '127.1',
  '010.0.0.1',
  'host\r\nx: y',
  'ho\u0000st',
  'bücher.example',
  `${'a'.repeat(64)}.b`,
])('%j is not a mask', (mask) => expect(isHostMask(withPort(mask))).toBe(false));
