import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SqliteFile } from '../../../src/policy/sqlite/sqlite-file.ts';
import { SqliteLink } from '../../../src/policy/sqlite/sqlite-link.ts';
import { FakeClock } from '../sample.ts';

let folder: string;
let path: string;
let clock: FakeClock;
let replaced: number;
let link: SqliteLink;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-link-'));
  path = join(folder, 'policies.db');
  clock = new FakeClock();
  replaced = 0;
  const onReplaced = () => {
    replaced += 1;
  };
  link = new SqliteLink(
    { path, clock, random: randomBytes, onReplaced },
    new SqliteFile(path, randomBytes, true),
  );
  link.file.put('abc', { sandboxId: 'abc' });
});
afterEach(() => {
  link.close();
  rmSync(folder, { recursive: true });
});

const GONE = expect.objectContaining({ code: 'STORE_UNAVAILABLE' });

function move(from: string, to: string, names: readonly string[]): void {
  mkdirSync(to, { recursive: true });
  for (const name of names) renameSync(join(from, name), join(to, name));
}

describe('a store file that was moved away', () => {
  const aside = () => join(folder, 'aside');
  const whole = ['policies.db', 'policies.db-wal', 'policies.db-shm'];

  it('is not served, and is served again by the same connection once it is back', () => {
    const before = link.follow();
    move(folder, aside(), whole);
    expect(() => link.follow()).toThrow(GONE);
    expect(() => link.file).toThrow(GONE);
    expect(replaced).toBe(1);

    move(aside(), folder, whole);
    expect(link.follow()).toBe(before);
    expect(link.file.get('abc')).toEqual({ sandboxId: 'abc' });
    // It may have changed while it was away.
    expect(replaced).toBe(2);
    expect(link.follow()).toBe(before);
    expect(replaced).toBe(2);
  });

  it('is served again even if its log stayed in place', () => {
    const before = link.follow();
    move(folder, aside(), ['policies.db']);
    expect(() => link.follow()).toThrow(GONE);
    move(aside(), folder, ['policies.db']);
    expect(link.follow()).toBe(before);
  });

  it('is not served if it comes back without its log, which may contain acknowledged writes', () => {
    link.follow();
    move(folder, aside(), whole);
    expect(() => link.follow()).toThrow(GONE);
    move(aside(), folder, ['policies.db']);
    expect(() => link.follow()).toThrow(GONE);
    expect(() => link.file).toThrow(GONE);
  });

  it('is not served once the link is closed', () => {
    link.close();
    expect(() => link.follow()).toThrow(GONE);
  });
});
