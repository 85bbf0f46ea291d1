import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkStateFolder } from '../../src/doctor/state-folder.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sandgate-doctor-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const uid = process.getuid?.();

it('is ok if only this user can write to it', () => {
  expect(checkStateFolder(dir, uid)).toMatchObject([
    { check: 'state folder', level: 'ok' },
    { check: 'disk', found: expect.stringMatching(/^\d+ MiB free$/) },
  ]);
});

it('is not made by the check if it does not exist', () => {
  const missing = join(dir, 'a', 'b');
  expect(checkStateFolder(missing, uid)[0]).toMatchObject({ level: 'ok' });
  expect(checkStateFolder(missing, uid)[0]!.found).toContain('will be made at the first start');
});

it('fails if others may write to it', () => {
  chmodSync(dir, 0o777);
  expect(checkStateFolder(dir, uid)[0]).toMatchObject({
    level: 'fail',
    remedy: expect.stringContaining(`chmod go-w ${dir}`),
  });
});

it('fails if it, or its parent, is a file', () => {
  const file = join(dir, 'file');
  writeFileSync(file, '');
  expect(checkStateFolder(file, uid)[0]).toMatchObject({ level: 'fail', found: `${file} is not a folder` });
  mkdirSync(join(dir, 'ours'));
  expect(checkStateFolder(join(file, 'inside'), uid)[0]).toMatchObject({ level: 'fail' });
});

it('fails for a folder on the way to it that others may write to', () => {
  const inside = join(dir, 'state');
  mkdirSync(inside, { mode: 0o700 });
  chmodSync(dir, 0o777);
  expect(checkStateFolder(inside, uid)[0]).toMatchObject({
    level: 'fail',
    found: expect.stringContaining(dir),
  });
});

it('warns if it belongs to root, and fails if it belongs to another user', () => {
  const level = uid === 0 ? 'warn' : 'fail';
  expect(checkStateFolder(dir, 4_000_000)[0]).toMatchObject({ level });
});
