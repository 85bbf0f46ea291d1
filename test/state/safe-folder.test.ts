import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { folderFault, requireSafeFolder } from '../../src/state/safe-folder.ts';
import { prepareSocket } from '../../src/state/socket-path.ts';

let root: string;
let folder: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sandgate-safe-'));
  folder = join(root, 'above', 'state');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
});
afterEach(() => rmSync(root, { recursive: true }));

const OTHER = 4_000_000;
const asRoot = process.getuid?.() === 0;

describe('a folder', () => {
  it('is safe if only this user or root can write to it and to those above it, sticky ones included', () => {
    chmodSync(join(root, 'above'), 0o755);
    expect(folderFault(folder)).toBeUndefined();
    chmodSync(join(root, 'above'), 0o1777);
    expect(folderFault(folder)).toBeUndefined();
    expect(folderFault(join(folder, 'not', 'made', 'yet'))).toBeUndefined();
    expect(folderFault('/dev/null/nothing')).toBeUndefined();
  });

  it.each([0o777, 0o757, 0o2777])('is not safe if it, or one above it, has mode %o', (mode) => {
    for (const name of ['above', 'above/state']) {
      const path = join(root, name);
      chmodSync(path, mode);
      const { found, remedy } = folderFault(join(folder, 'check'))!;
      expect(found).toContain(`${path} is writable by others (mode ${mode.toString(8).padStart(4, '0')})`);
      expect(remedy).toContain(`chmod go-w ${path}`);
      chmodSync(path, 0o700);
    }
    expect(folderFault(folder)).toBeUndefined();
  });

  it.runIf(asRoot)('is not safe if it, or one above it, belongs to another user', () => {
    chownSync(join(root, 'above'), OTHER, OTHER);
    expect(folderFault(folder)!.found).toContain(`${join(root, 'above')} belongs to user ${OTHER}`);
    expect(folderFault(join(root, 'above'), OTHER)).toBeUndefined();
    expect(() => requireSafeFolder(folder)).toThrow(expect.objectContaining({ code: 'STATE_UNUSABLE' }));
  });

  it.runIf(asRoot)('may be writable by a group only if no other user is in it', () => {
    chmodSync(join(root, 'above'), 0o775);
    expect(folderFault(folder)).toBeUndefined();
    chownSync(join(root, 'above'), 0, OTHER);
    expect(folderFault(folder)!.found).toContain('is writable by others (mode 0775)');
  });

  it('is checked through links: where they are, and where they lead', () => {
    const safe = join(root, 'safe');
    mkdirSync(safe, { mode: 0o700 });
    symlinkSync(folder, join(safe, 'link'));
    expect(folderFault(join(safe, 'link', 'check'))).toBeUndefined();
    chmodSync(join(root, 'above'), 0o777);
    expect(folderFault(join(safe, 'link', 'check'))!.found).toContain(join(root, 'above'));
    symlinkSync('loop', join(safe, 'loop'));
    expect(folderFault(join(safe, 'loop'))!.found).toContain('is a loop of links');
  });
});

it('a socket is refused under a folder that others can write to, however private its own folder is', async () => {
  mkdirSync(join(folder, 'check'), { mode: 0o700 });
  chmodSync(join(root, 'above'), 0o777);
  const prepared = prepareSocket({ path: join(folder, 'check', 'gate.sock'), access: 'group' });
  await expect(prepared).rejects.toMatchObject({
    code: 'STATE_UNUSABLE',
    message: expect.stringContaining(join(root, 'above')),
    remedy: expect.stringContaining('chmod go-w'),
  });
});
