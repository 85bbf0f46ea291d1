import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../stack/eventually.ts';
import { startSdkSandbox } from './stub-control-plane.ts';

interface Event {
  name: string;
  type: string;
}

describe("E2B's JavaScript SDK 2.51.0, unmodified: files", () => {
  let stack: Awaited<ReturnType<typeof startSdkSandbox>>;
  let files: Awaited<ReturnType<typeof startSdkSandbox>>['sandbox']['files'];
  let home: string;
  beforeAll(async () => {
    stack = await startSdkSandbox('2.51.0');
    files = stack.sandbox.files;
    home = stack.agent.home;
  });
  afterAll(() => stack.stop());

  it('writes and reads a file under the home folder, making folders', async () => {
    expect(await files.write('deep/er/a.txt', 'héllo')).toMatchObject({
      name: 'a.txt',
      type: 'file',
      path: join(home, 'deep/er/a.txt'),
    });
    expect(await files.read('deep/er/a.txt')).toBe('héllo');
    expect(await files.read('~/deep/er/a.txt')).toBe('héllo');
    expect(statSync(join(home, 'deep/er/a.txt')).mode & 0o777).toBe(0o644);
    expect(statSync(join(home, 'deep/er')).mode & 0o777).toBe(0o755);
  });

  it('replaces an existing file, and reads an empty one', async () => {
    await files.write('replaced.txt', 'a long text');
    await files.write('replaced.txt', '');
    expect(await files.read('replaced.txt')).toBe('');
  });

  it('transfers 10 MB of binary data in both directions, plain and compressed', async () => {
    const bytes = randomBytes(10_000_000);
    await files.write('big.bin', new Blob([bytes]).stream());
    expect(readFileSync(join(home, 'big.bin')).equals(bytes)).toBe(true);
    expect(Buffer.from(await files.read('big.bin', { format: 'bytes' })).equals(bytes)).toBe(true);
    expect(Buffer.from(await files.read('big.bin', { format: 'bytes', gzip: true })).equals(bytes)).toBe(
      true,
    );
  });

  it('writes several files in one call, including names with spaces and letters of any script', async () => {
    const names = ['one.txt', 'sub/two words.txt', 'три.txt'];
    await files.write(names.map((path) => ({ path, data: path })));
    for (const name of names) expect(await files.read(name)).toBe(name);
  });

  it('reports which file is missing and which path is a folder', async () => {
    const { FileNotFoundError, InvalidArgumentError } = stack.sdk;
    const missing = files.read('nothing.txt');
    await expect(missing).rejects.toBeInstanceOf(FileNotFoundError);
    await expect(missing).rejects.toThrow(`path '${join(home, 'nothing.txt')}' does not exist`);
    mkdirSync(join(home, 'folder'));
    await expect(files.read('folder')).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(files.write('folder', 'x')).rejects.toThrow('path is a directory');
  });

  it('lists sorted and depth first, links with their target', async () => {
    await files.write('tree/b/c.txt', 'c');
    await files.write('tree/a.txt', 'a');
    symlinkSync('b', join(home, 'tree/z'));
    expect((await files.list('tree')).map((entry: Event) => entry.name)).toEqual(['a.txt', 'b', 'z']);
    const deep = await files.list('tree', { depth: 2 });
    expect(deep.map((entry: { path: string }) => entry.path.slice(home.length))).toEqual([
      '/tree/a.txt',
      '/tree/b',
      '/tree/b/c.txt',
      '/tree/z',
    ]);
    expect(deep[3]).toMatchObject({ type: 'dir', symlinkTarget: join(home, 'tree/b') });
    await expect(files.list('tree/a.txt')).rejects.toThrow('path is not a directory');
    await expect(files.list('no-such')).rejects.toBeInstanceOf(stack.sdk.FileNotFoundError);
    await expect(files.list('tree', { depth: 0 })).rejects.toThrow('depth should be at least one');
  });

  it('describes a file', async () => {
    await files.write('info.txt', '12345');
    const info = await files.getInfo('info.txt');
    expect(info).toMatchObject({
      name: 'info.txt',
      type: 'file',
      size: 5,
      mode: 0o644,
      permissions: '-rw-r--r--',
    });
    expect(info.modifiedTime.getTime()).toBe(Math.floor(statSync(join(home, 'info.txt')).mtimeMs));
    expect(info.owner).toBeTypeOf('string');
  });

  it('makes, renames and removes', async () => {
    expect(await files.makeDir('made/inner')).toBe(true);
    expect(await files.makeDir('made/inner')).toBe(false);
    await files.write('made/x.txt', 'x');
    const { InvalidArgumentError } = stack.sdk;
    await expect(files.makeDir('made/x.txt')).rejects.toBeInstanceOf(InvalidArgumentError);
    expect(await files.rename('made/x.txt', 'moved/y.txt')).toMatchObject({
      path: join(home, 'moved/y.txt'),
    });
    await expect(files.rename('made/x.txt', 'z')).rejects.toBeInstanceOf(stack.sdk.NotFoundError);
    expect(await files.exists('moved/y.txt')).toBe(true);
    await files.remove('moved');
    expect(await files.exists('moved/y.txt')).toBe(false);
    await files.remove('moved');
  });

  it('watches a folder: create, write, chmod, rename, remove', async () => {
    await files.makeDir('watched/inner');
    const events: Event[] = [];
    const handle = await files.watchDir('watched', (event: Event) => events.push(event), { timeoutMs: 0 });
    const until = (type: string, name: string) =>
      eventually(() => expect(events).toContainEqual({ type, name }));
    await files.write('watched/a.txt', '1');
    await until('create', 'a.txt');
    await files.write('watched/a.txt', '2');
    await until('write', 'a.txt');
    await stack.sandbox.commands.run('chmod 600 watched/a.txt');
    await until('chmod', 'a.txt');
    await files.rename('watched/a.txt', 'watched/b.txt');
    await until('rename', 'a.txt');
    await until('create', 'b.txt');
    await files.remove('watched/b.txt');
    await until('remove', 'b.txt');
    writeFileSync(join(home, 'watched/inner/deep.txt'), 'not asked for');
    await files.write('watched/last.txt', '');
    await until('create', 'last.txt');
    expect(events.map(({ name }) => name)).not.toContain('inner/deep.txt');
    await handle.stop();
  });

  it('watches a tree, including folders made later', async () => {
    await files.makeDir('wood/old');
    const events: Event[] = [];
    const handle = await files.watchDir('wood', (event: Event) => events.push(event), {
      recursive: true,
      timeoutMs: 0,
    });
    const until = (type: string, name: string) =>
      eventually(() => expect(events).toContainEqual({ type, name }));
    await files.write('wood/old/a.txt', 'a');
    await until('create', 'old/a.txt');
    await files.write('wood/new/very/b.txt', 'b');
    await until('create', 'new/very/b.txt');
    await files.write('wood/new/very/b.txt', 'bb');
    await until('write', 'new/very/b.txt');
    await handle.stop();
  });

  it('refuses to watch anything but a folder', async () => {
    await files.write('plain.txt', '');
    await expect(files.watchDir('plain.txt', () => {})).rejects.toThrow('not a directory');
    await expect(files.watchDir('no-such', () => {})).rejects.toBeInstanceOf(stack.sdk.NotFoundError);
  });

  it('signs URLs for download and upload', async () => {
    await files.write('signed.txt', 'content');
    const read = await fetch(await stack.sandbox.downloadUrl('signed.txt', { useSignatureExpiration: 60 }));
    expect(await read.text()).toBe('content');
    const form = new FormData();
    form.append('file', new Blob(['uploaded']), 'ignored.txt');
    const wrote = await fetch(await stack.sandbox.uploadUrl('up.txt'), { method: 'POST', body: form });
    expect(wrote.status).toBe(200);
    expect(await files.read('up.txt')).toBe('uploaded');
    const tampered = new URL(await stack.sandbox.downloadUrl('signed.txt'));
    tampered.searchParams.set('path', 'up.txt');
    expect((await fetch(tampered)).status).toBe(401);
  });

  it('accepts a compressed body', async () => {
    const answer = await stack.agent.fetch('/files?path=zipped.txt', {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream', 'content-encoding': 'gzip' },
      body: gzipSync('unzipped'),
    });
    expect(await answer.json()).toEqual([
      { path: join(home, 'zipped.txt'), name: 'zipped.txt', type: 'file' },
    ]);
    expect(await files.read('zipped.txt')).toBe('unzipped');
  });
});
