import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { API_KEY, createKeyTest, newApiKey } from '../../local-cloud/credentials.ts';
import { secretFile } from '../../src/folder.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-secret-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a secret of the local cloud', () => {
  it('is made once, readable only for its owner, and kept', () => {
    const path = join(folder, 'cloud', 'api-key');
    const key = secretFile(path, API_KEY, () => newApiKey((bytes) => Buffer.alloc(bytes, 0xab)));
    expect(key).toBe(`e2b_${'ab'.repeat(20)}`);
    chmodSync(path, 0o644);
    expect(secretFile(path, API_KEY, () => 'another')).toBe(key);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, 'utf8')).toBe(`${key}\n`);
  });

  it('is made anew on each start if it should be', () => {
    const path = join(folder, 'key');
    expect(secretFile(path, /^a$/, () => 'a', true)).toBe('a');
    expect(secretFile(path, /^b$/, () => 'b', true)).toBe('b');
    expect([statSync(path).mode & 0o777, readFileSync(path, 'utf8')]).toEqual([0o600, 'b\n']);
  });

  it('causes an error that does not quote it if it is damaged', () => {
    const path = join(folder, 'api-key');
    writeFileSync(path, 'e2b_hunter2');
    expect(() => secretFile(path, API_KEY, () => 'x')).toThrow(
      expect.objectContaining({ code: 'STATE_UNUSABLE', message: expect.not.stringContaining('hunter2') }),
    );
  });

  it('must be presented in full', () => {
    const isKey = createKeyTest('e2b_0123');
    expect([isKey('e2b_0123'), isKey('e2b_012'), isKey('e2b_01234'), isKey('')]).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});
