import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sandgate } from '../../stack/command.ts';
import { sandgateInside } from '../../stack/command-inside.ts';
import { digestOf, OTHER_TOKEN, restricted, TOKEN } from '../../stack/test-stack.ts';

const HOST = '8080-sbx1.e2b.localhost';
const URL_OF_IT = `http://${HOST}:80/a?secret=1`;
let stateDir: string;

beforeAll(async () => {
  stateDir = mkdtempSync(join(tmpdir(), 'sandgate-explain-'));
  const put = await sandgateInside(['policy', 'put', '--state-dir', stateDir, '-'], {
    input: JSON.stringify(restricted('sbx1')),
  });
  expect(put.code).toBe(0);
});
afterAll(() => rmSync(stateDir, { recursive: true, force: true }));

const explain = (args: string[], input?: string, how: typeof sandgateInside = sandgateInside) =>
  how(['explain', ...args, '--state-dir', stateDir], { input });

describe('sandgate explain', () => {
  it('takes a token from standard input, with or without a line end, and never shows it', async () => {
    const inputs = [TOKEN, `${TOKEN}\n`, `${TOKEN}\r\n`];
    for (const ran of await Promise.all(
      inputs.map((input) => explain([URL_OF_IT, '--token-stdin'], input, sandgate)),
    )) {
      expect(ran).toMatchObject({ code: 0, stderr: '' });
      expect(ran.stdout).toMatch(/^ALLOWED {4}GET 8080-sbx1\.e2b\.localhost\/a\n/);
      expect(ran.stdout).toContain('token default matches');
      expect(ran.stdout).toContain('No gate runs');
      expect(ran.stdout).not.toContain(TOKEN);
      expect(ran.stdout).not.toContain('secret');
    }
  });

  it('exits 0 for a denial, with the answer that the client gets, and a fingerprint of the token at most', async () => {
    const ran = await explain([URL_OF_IT, '-H', `E2B-Traffic-Access-Token: ${OTHER_TOKEN}`, '--json']);
    expect(ran.code).toBe(0);
    expect(JSON.parse(ran.stdout)).toMatchObject({
      decision: 'deny',
      status: 403,
      reason: 'token_invalid',
      gates: 0,
      answer: { status: 403 },
    });
    expect(ran.stdout).not.toContain(OTHER_TOKEN);
    expect(ran.stdout).toContain(digestOf(OTHER_TOKEN).slice(0, 8));
    expect(ran.stdout).not.toContain(digestOf(OTHER_TOKEN).slice(0, 9));
    expect(ran.stdout).not.toContain(digestOf(TOKEN).slice(0, 9));
  });

  it('routes by header on localhost', async () => {
    const routing = ['-H', 'E2b-Sandbox-Id: sbx1', '-H', 'E2b-Sandbox-Port: 9000'];
    const ran = await explain(['https://localhost:443', ...routing]);
    expect(ran.stdout).toMatch(/^DENIED 403 token_missing {4}GET localhost\/\n/);
    expect(ran.stdout).toContain('port 9000 of sbx1, from the routing headers');
  });

  it.each([
    ['another scheme', ['ftp://a/']],
    ['no host', ['http:///x']],
    ['a space', ['http://a/ b']],
    ['a port that is none', ['http://a:99999/']],
    ['a password', [`http://user:${TOKEN}@a/`]],
    ['a header without a colon', [URL_OF_IT, '-H', TOKEN]],
    ['a header of two lines', [URL_OF_IT, '-H', `a: b\r\n${TOKEN}: c`]],
    ['a method that is none', [URL_OF_IT, '-X', 'G T']],
    ['an empty token', [URL_OF_IT, '--token-stdin']],
    ['a token as an argument', [URL_OF_IT, '--token', TOKEN]],
    ['a token as an argument, with =', [URL_OF_IT, `--token=${TOKEN}`]],
    ['no URL', []],
  ])('exits 2 for %s, and repeats none of it', async (_, args) => {
    const ran = await explain(args);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).not.toContain(TOKEN);
    expect(ran.stderr).not.toContain('    at ');
  });

  it('exits 1 if the store cannot be read', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'sandgate-explain-'));
    writeFileSync(join(dir, 'policies.db'), 'this is no database, '.repeat(500));
    const ran = await sandgateInside(['explain', URL_OF_IT, '--state-dir', dir]);
    rmSync(dir, { recursive: true, force: true });
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toContain('STORE_CORRUPT');
  });
});
