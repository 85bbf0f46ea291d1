import { execFileSync } from 'node:child_process';
import { readFileSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentProcess, startAgentProcess, TOKEN } from '../agent-process.ts';

const TEXT = 'The quick brown fox jumps over the lazy dog.';
const MODIFIED = 'Wed, 04 Mar 2026 05:06:07 GMT';

describe("the agent's downloads", () => {
  let agent: AgentProcess;
  beforeAll(async () => {
    agent = await startAgentProcess();
    write('fox.txt', TEXT);
  });
  afterAll(() => agent.stop());

  const write = (name: string, text: string | Buffer) => {
    const path = join(agent.home, name);
    writeFileSync(path, text);
    utimesSync(path, new Date(MODIFIED), new Date(MODIFIED));
    return path;
  };
  const get = (name: string, headers: Record<string, string> = {}, method = 'GET') =>
    agent.fetch(`/files?path=${encodeURIComponent(name)}`, { method, headers });

  it('say that ranges are possible, and when the file was changed', async () => {
    const answer = await get('fox.txt', { 'accept-encoding': 'identity' });
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'accept-ranges': 'bytes',
      'content-length': String(TEXT.length),
      'content-type': 'text/plain; charset=utf-8',
      'content-disposition': 'inline; filename=fox.txt',
      'last-modified': MODIFIED,
      vary: 'Accept-Encoding',
    });
    expect(await answer.text()).toBe(TEXT);
  });

  it.each([
    ['bytes=4-8', 'quick'],
    ['bytes=40-', 'dog.'],
    ['bytes=-4', 'dog.'],
  ])('send the range %s', async (range, part) => {
    const answer = await get('fox.txt', { range });
    expect([answer.status, await answer.text()]).toEqual([206, part]);
    expect(answer.headers.get('content-encoding')).toBeNull();
    expect(answer.headers.get('content-length')).toBe(String(part.length));
  });

  it('send the whole file for several ranges, and nothing for one that lies outside', async () => {
    const several = await get('fox.txt', { range: 'bytes=0-1,4-5' });
    expect([several.status, await several.text()]).toEqual([200, TEXT]);
    const outside = await get('fox.txt', { range: 'bytes=1000-' });
    expect([outside.status, outside.headers.get('content-range'), await outside.text()]).toEqual([
      416,
      `bytes */${TEXT.length}`,
      '',
    ]);
  });

  it('send nothing if the file did not change, and all of it if it changed between two ranges', async () => {
    const same = await get('fox.txt', { 'if-modified-since': MODIFIED });
    expect([same.status, await same.text()]).toEqual([304, '']);
    const later = await get('fox.txt', { range: 'bytes=4-8', 'if-range': MODIFIED });
    expect([later.status, await later.text()]).toEqual([206, 'quick']);
    const changed = await get('fox.txt', { range: 'bytes=4-8', 'if-range': 'Wed, 04 Mar 2026 05:06:06 GMT' });
    expect([changed.status, await changed.text()]).toEqual([200, TEXT]);
  });

  it('answer HEAD as GET, without the bytes', async () => {
    const whole = await get('fox.txt', { 'accept-encoding': 'identity' }, 'HEAD');
    expect([whole.status, whole.headers.get('content-length')]).toEqual([200, String(TEXT.length)]);
    const part = await get('fox.txt', { range: 'bytes=4-8' }, 'HEAD');
    expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes 4-8/${TEXT.length}`]);
    expect((await get('missing.txt', {}, 'HEAD')).status).toBe(404);
    const compressed = await get('fox.txt', { 'accept-encoding': 'gzip' }, 'HEAD');
    expect([compressed.headers.get('content-encoding'), await compressed.text()]).toEqual(['gzip', '']);
  });

  it('are compressed only if nothing asks for a part or a version', async () => {
    const whole = await get('fox.txt', { 'accept-encoding': 'gzip' });
    expect([whole.headers.get('content-encoding'), await whole.text()]).toEqual(['gzip', TEXT]);
    const refused = await get('fox.txt', { 'accept-encoding': 'gzip;q=1, *;q=0', 'if-none-match': '"a"' });
    expect([refused.status, await refused.json()]).toEqual([
      406,
      { code: 406, message: 'identity encoding not acceptable for Range or conditional request' },
    ]);
  });

  it.each([
    ['picture.png', 'image/png'],
    ['page.html', 'text/html; charset=utf-8'],
    ['data.JSON', 'application/json'],
    ['report.pdf', 'application/pdf'],
    ['script.js', 'text/javascript; charset=utf-8'],
    ['drawing.svg', 'image/svg+xml'],
    ['archive.tar.gz', 'application/gzip'],
    ['Makefile', 'application/octet-stream'],
    ['a name.txt', 'text/plain; charset=utf-8'],
  ])('of %s have the type %s, compressed or not', async (name, type) => {
    write(name, 'x');
    for (const encoding of ['identity', 'gzip']) {
      const answer = await get(name, { 'accept-encoding': encoding });
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, type]);
    }
  });

  it('of a virtual file, which says that it is empty, have its text', async () => {
    const version = readFileSync('/proc/version', 'utf8');
    expect(await (await get('/proc/version', { 'accept-encoding': 'identity' })).text()).toBe(version);
    const part = await get('/proc/version', { range: 'bytes=0-4' });
    expect([part.status, await part.text()]).toEqual([206, 'Linux']);
  });

  it('of an empty file are empty', async () => {
    write('empty.txt', '');
    const answer = await get('empty.txt', { range: 'bytes=0-4' });
    expect([answer.status, await answer.text()]).toEqual([200, '']);
  });

  it('do not wait for a pipe', async () => {
    execFileSync('mkfifo', [join(agent.home, 'pipe')]);
    const answer = await get('pipe');
    expect([answer.status, ((await answer.json()) as { message: string }).message]).toEqual([
      400,
      expect.stringContaining('is not a regular file'),
    ]);
  });

  it('break off if the file becomes shorter, rather than end as if they were whole', async () => {
    const path = write('shrinks.bin', Buffer.alloc(64 * 1024 * 1024));
    const answer = await get('shrinks.bin', { 'accept-encoding': 'identity' });
    const reader = answer.body!.getReader();
    await reader.read();
    truncateSync(path, 1024 * 1024);
    await expect(
      (async () => {
        while (!(await reader.read()).done);
      })(),
    ).rejects.toThrow('terminated');
  });

  it('let curl ask for a part, and resume one that broke off', () => {
    const part = ['-sS', '--compressed', '-r', '4-8', '-H', `x-access-token: ${TOKEN}`];
    expect(execFileSync('curl', [...part, `${agent.url}/files?path=fox.txt`], { encoding: 'utf8' })).toBe(
      'quick',
    );
    const start = join(agent.root, 'resumed.txt');
    writeFileSync(start, TEXT.slice(0, 10));
    const url = `${agent.url}/files?path=fox.txt`;
    execFileSync('curl', ['-sS', '--fail', '-C', '-', '-o', start, '-H', `x-access-token: ${TOKEN}`, url]);
    expect(readFileSync(start, 'utf8')).toBe(TEXT);
  });
});
