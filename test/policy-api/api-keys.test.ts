import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { allowedHosts } from '../../src/policy-api/admission.ts';
import { readKeysFile } from '../../src/policy-api/keys-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'sandgate-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(text: string): string {
  const path = join(folder, 'keys');
  writeFileSync(path, text);
  return path;
}

describe('a file of keys', () => {
  it('contains one per line', () => {
    expect(readKeysFile(fileOf(`${'a'.repeat(32)}\r\n\n ${'b'.repeat(40)}\n`))).toEqual([
      'a'.repeat(32),
      'b'.repeat(40),
    ]);
  });

  it.each([
    ['a short key', `${'a'.repeat(32)}\n${'s3cret'.repeat(5)}`, 'key 2'],
    ['a key with a space', `${'s3cret'.repeat(5)} and more`, 'key 1'],
    ['nothing', '\n', 'does not contain a key'],
  ])('is refused for %s, without showing it', (_what, text, reason) => {
    const read = () => readKeysFile(fileOf(text));
    expect(read).toThrow(expect.objectContaining({ code: 'SETTINGS_INVALID' }));
    expect(read).toThrow(reason);
    expect(read).not.toThrow('s3cret');
  });

  it('is refused if it cannot be read', () => {
    expect(() => readKeysFile(join(folder, 'none'))).toThrow('ENOENT');
  });
});

describe('the hosts of a policy API', () => {
  it('on a Unix socket are local names with any port, because a tunnel to it may use any', () => {
    const allowed = allowedHosts({ path: '/x' }, ['policies.example']);
    for (const name of ['localhost', 'localhost:1', '127.0.0.1:80', '[::1]', '[::1]:8', 'policies.example:1'])
      expect(allowed(name)).toBe(true);
    for (const name of ['', undefined, 'evil.example', 'localhost.evil.example', '::1', 'localhost:x'])
      expect(allowed(name)).toBe(false);
  });

  it('on port 80 include names without a port', () => {
    const allowed = allowedHosts({ host: '10.0.0.1', port: 80 }, []);
    for (const name of ['10.0.0.1', '10.0.0.1:80', 'localhost']) expect(allowed(name)).toBe(true);
    expect(allowed('10.0.0.1:81')).toBe(false);
  });
});
