import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clearDeadSocket, prepareSocket, resolveSocketPath } from '../../src/state/socket-path.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sandgate-socket-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const modeOf = (path: string) => statSync(path).mode & 0o7777;

describe('the folder of a socket', () => {
  it('is made for the group of Envoy, or only for this user', async () => {
    await prepareSocket({ path: join(root, 'a', 'gate.sock'), access: 'group' });
    await prepareSocket({ path: join(root, 'b', 'admin.sock'), access: 'private' });
    expect([modeOf(join(root, 'a')), modeOf(join(root, 'b'))]).toEqual([0o2750, 0o700]);
  });

  it.each([0o1777, 0o770, 0o2770])(
    'is refused, and left as it is, if others can write to it (%o)',
    async (mode) => {
      chmodSync(root, mode);
      await expect(prepareSocket({ path: join(root, 'gate.sock'), access: 'group' })).rejects.toMatchObject({
        code: 'STATE_UNUSABLE',
        remedy: expect.any(String),
      });
      expect(modeOf(root)).toBe(mode);
    },
  );

  it('keeps its mode if it exists', async () => {
    chmodSync(root, 0o755);
    await prepareSocket({ path: join(root, 'gate.sock'), access: 'group' });
    expect(modeOf(root)).toBe(0o755);
  });
});

describe('a file at the path of a socket', () => {
  it('stays if it is a file or a folder', async () => {
    writeFileSync(join(root, 'precious'), 'text');
    mkdirSync(join(root, 'folder'));
    for (const name of ['precious', 'folder']) {
      const prepared = prepareSocket({ path: join(root, name), access: 'group' });
      await expect(prepared).rejects.toMatchObject({ code: 'STATE_UNUSABLE' });
    }
    expect(readFileSync(join(root, 'precious'), 'utf8')).toBe('text');
  });

  it('stays if a process listens there', async () => {
    const path = join(root, 'live.sock');
    const server = createServer().listen(path);
    await expect(prepareSocket({ path, access: 'group' })).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' });
    await new Promise((resolve) => server.close(resolve));
  });
});

describe('a path that is too long for a socket', () => {
  it.each(['f'.repeat(110), `${'d/'.repeat(60)}x.sock`])('moves to a private folder: %s', (name) => {
    const place = resolveSocketPath({ path: join('/state', name), access: 'group' }, '/tmp');
    expect(place.access).toBe('private');
    expect(Buffer.byteLength(place.path)).toBeLessThanOrEqual(100);
  });
});

describe('a socket whose own path is too long', () => {
  it('leaves nothing under the temporary folder once no process listens on it', async () => {
    const wanted = (name: string) =>
      resolveSocketPath({ path: join(root, 'x'.repeat(100), name), access: 'private' }, root);
    const [first, second] = [wanted('a.sock'), wanted('b.sock')];
    await prepareSocket(first);
    const live = createServer().listen(second.path);
    await clearDeadSocket(second.path);
    await clearDeadSocket(first.path);
    expect(existsSync(second.path)).toBe(true);
    await new Promise((resolve) => live.close(resolve));
    await clearDeadSocket(second.path);
    expect(existsSync(dirname(second.path))).toBe(false);
  });
});
