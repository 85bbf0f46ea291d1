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

it('is well when it is ours alone', () => {
  expect(checkStateFolder(dir, uid)).toMatchObject([
    { check: 'state folder', level: 'ok' },
    { check: 'disk', found: expect.stringMatching(/^\d+ MiB free$/) },
  ]);
});

it('is made later where it is not there, and is not made now', () => {
  const missing = join(dir, 'a', 'b');
  expect(checkStateFolder(missing, uid)[0]).toMatchObject({ level: 'ok' });
  expect(checkStateFolder(missing, uid)[0]!.found).toContain('will be made at the first start');
});

it('fails where others may write', () => {
  chmodSync(dir, 0o777);
  expect(checkStateFolder(dir, uid)[0]).toMatchObject({ level: 'fail', remedy: `chmod 700 ${dir}` });
});

it('fails where it is a file, or is to lie in one', () => {
  const file = join(dir, 'file');
  writeFileSync(file, '');
  expect(checkStateFolder(file, uid)[0]).toMatchObject({ level: 'fail', found: `${file} is not a folder` });
  mkdirSync(join(dir, 'ours'));
  expect(checkStateFolder(join(file, 'inside'), uid)[0]).toMatchObject({ level: 'fail' });
});

it('warns where it belongs to somebody else', () => {
  expect(checkStateFolder(dir, 4_000_000)[0]).toMatchObject({ level: 'warn' });
});
