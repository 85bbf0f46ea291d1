import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeFolder, openLog } from '../src/folder.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sandgate-folder-'));
});
afterEach(() => rmSync(root, { recursive: true }));

describe('a folder', () => {
  it('is made with those above it, for this user alone where asked, and may be there already', () => {
    const path = join(root, 'a', 'b', 'c');
    makeFolder(path, 0o700);
    makeFolder(path, 0o700);
    for (const made of [path, join(root, 'a')]) expect(statSync(made).mode & 0o777).toBe(0o700);
  });

  it('under a file is an error', () => {
    writeFileSync(join(root, 'file'), '');
    expect(() => makeFolder(join(root, 'file', 'a', 'b'))).toThrow(/ENOTDIR/);
  });

  it('in a place that takes none is an error, and returns', () => {
    expect(() => makeFolder('/proc/sandgate/a')).toThrow(/ENOENT|EROFS/);
  });
});

describe('a log', () => {
  it('is made for its owner only, and appended to', () => {
    const path = join(root, 'a.log');
    for (const line of ['one\n', 'two\n']) {
      const log = openLog(path);
      writeSync(log, line);
      closeSync(log);
    }
    expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n');
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('is not written through a link, nor to a FIFO, whose open would wait for a reader', () => {
    const precious = join(root, 'precious');
    writeFileSync(precious, 'text');
    symlinkSync(precious, join(root, 'link.log'));
    symlinkSync(join(root, 'nothing'), join(root, 'dangling.log'));
    execFileSync('mkfifo', [join(root, 'fifo.log')]);
    for (const name of ['link', 'dangling', 'fifo'])
      expect(() => openLog(join(root, `${name}.log`))).toThrow(
        expect.objectContaining({ code: 'STATE_UNUSABLE', message: expect.stringContaining(`${name}.log`) }),
      );
    expect(readFileSync(precious, 'utf8')).toBe('text');
    expect(existsSync(join(root, 'nothing'))).toBe(false);
  });
});
