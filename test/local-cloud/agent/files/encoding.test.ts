import { describe, expect, it } from 'vitest';
import { acceptedEncoding, contentEncoding } from '../../../../local-cloud/agent/files/encoding.ts';

describe('the encoding of a file', () => {
  it.each([
    [undefined, 'identity'],
    ['gzip', 'gzip'],
    ['GZIP, deflate', 'gzip'],
    ['br, deflate', 'identity'],
    ['gzip;q=0', 'identity'],
    ['gzip;q=0.5, identity', 'identity'],
    ['*', 'identity'],
    ['identity;q=0, gzip', 'gzip'],
  ])('for Accept-Encoding %s is %s', (header, encoding) => {
    expect(acceptedEncoding(header)).toBe(encoding);
  });

  it('is refused if neither is acceptable', () => {
    expect(() => acceptedEncoding('br, identity;q=0')).toThrow('no acceptable encoding');
    expect(() => acceptedEncoding('*;q=0')).toThrow('no acceptable encoding');
    expect(() => contentEncoding('br')).toThrow('unsupported Content-Encoding: br');
  });
});
